"""The tests' parser of documentation pages."""

from support.doc_pages import Block, blocks_of, shows

PAGE = """\
Text.

```sh
klever up
```

```text
Ready
```

<!-- not run: it installs -->
```sh
pip install uv
```

<!-- file: serving.yaml -->
```yaml
kind: Serving
```
"""


def test_a_block_has_its_marker_and_its_output() -> None:
    assert blocks_of(PAGE) == [
        Block(3, "sh", "klever up\n", output="Ready\n"),
        Block(12, "sh", "pip install uv\n", "not run", "it installs"),
        Block(17, "yaml", "kind: Serving\n", "file", "serving.yaml"),
    ]
    assert [block.is_run for block in blocks_of(PAGE)] == [True, False, False]


def test_the_expected_lines_of_a_page_appear_in_the_output_in_order() -> None:
    printed = "NAME    PHASE\nmymodel  Ready\nurl: http://localhost\n"
    assert shows(printed, "NAME PHASE\nurl: …\n")
    assert shows(printed, "mymodel Ready\n")
    assert not shows(printed, "url: …\nNAME PHASE\n")
    assert not shows(printed, "mymodel Failed\n")
    assert not shows(printed, "NAME\n")
