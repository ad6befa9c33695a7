"""Rights that a program in the sandbox drops after its start."""

from .probing import probe


def refuse_programs() -> None:
    """Prevent the execution of further programs permanently. Has no effect without seccomp. Raises OSError."""
    if not probe()[1]:
        return
    from .privileges import install_filter, no_new_privileges  # noqa: PLC0415 - only Linux has what it loads
    from .seccomp import compile_refusal_of_programs  # noqa: PLC0415

    no_new_privileges()
    install_filter(compile_refusal_of_programs())
