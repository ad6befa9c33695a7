"""Names of tensors for models of tables, whose files name columns instead of tensors.

The model servers, which share no code with this library, use the same names: the input is one matrix, or a tensor for
each column, and an output has the name of its method.
"""

INPUT = "input"
LABELS, PROBABILITIES, TRANSFORMED = "predict", "predict_proba", "transform"
