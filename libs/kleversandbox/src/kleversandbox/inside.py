"""What a program in the sandbox gives up besides, once it has started."""

from .probing import probe


def refuse_programs() -> None:
    """Run no further programs, for good; nothing happens where system calls cannot be filtered. Raises OSError."""
    if not probe()[1]:
        return
    from .privileges import install_filter, no_new_privileges  # noqa: PLC0415 - only Linux has what it loads
    from .seccomp import compile_refusal_of_programs  # noqa: PLC0415

    no_new_privileges()
    install_filter(compile_refusal_of_programs())
