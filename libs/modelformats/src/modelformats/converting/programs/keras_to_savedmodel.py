"""A Keras model, H5 or .keras, to a TensorFlow SavedModel with the signature that servers take."""

from . import keras_models
from .program import Request, main, say, versions


def convert(request: Request) -> dict[str, str]:
    """Convert the model with the Keras that wrote it."""
    model, package = keras_models.load(request)
    say(f"loaded {model.name} with {package}")
    if package == "tf_keras":
        model.save(request.destination, save_format="tf")
    else:
        model.export(request.destination, format="tf_saved_model", verbose=False)
    return versions("tensorflow-cpu", package.replace("_", "-"))


if __name__ == "__main__":
    main(convert)
