"""What the tensors of models of tables are called, whose files name columns and no tensors.

As the model servers call them, which share no code with us: one matrix comes in, or a tensor for each column, and an
output is called as the method that gives it.
"""

INPUT = "input"
LABELS, PROBABILITIES, TRANSFORMED = "predict", "predict_proba", "transform"
