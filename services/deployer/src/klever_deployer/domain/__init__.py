"""What should run for a serving, how its requests are spread, and how a rollout goes on; pure."""
