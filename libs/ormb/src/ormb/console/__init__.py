"""Output for terminals and programs that the commands of `ormb` and `klever` share."""
