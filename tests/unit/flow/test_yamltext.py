import pytest

from controller.flow.findings import Findings, Severity, did_you_mean
from controller.flow.yamltext import MAX_FILE_BYTES, MAX_NODES, ListNode, MapNode, Node, TextNode, read_yaml


def read(text: str | bytes) -> tuple[Node | None, list[tuple[str, int, int]]]:
    findings = Findings()
    node = read_yaml(text.encode() if isinstance(text, str) else text, "x.yaml", findings)
    return node, [(f.rule, f.line, f.column) for f in findings.sorted()]


def plain(node: Node | None) -> object:
    if isinstance(node, MapNode):
        return {key: plain(value) for key, (_, value) in node.entries.items()}
    if isinstance(node, ListNode):
        return [plain(item) for item in node.items]
    return node.text if isinstance(node, TextNode) else None


@pytest.mark.parametrize(
    "text", ["0612345677", "010", "18:30", "no", "1.10", "2026-12-24", "null", "~", "0x1F", "1e3"]
)
def test_scalars_stay_as_written(text: str) -> None:
    node, found = read(f"a: {text}\n")
    assert plain(node) == {"a": text}
    assert found == []


def test_places_count_from_one() -> None:
    node, _ = read("a:\n  - b\n  - c: d\n")
    assert isinstance(node, MapNode)
    items = node.entries["a"][1]
    assert isinstance(items, ListNode)
    assert (items.items[1].mark.line, items.items[1].mark.column) == (3, 5)


def test_all_findings_at_once() -> None:
    node, found = read("a: 1\nb: !!int 2\na: 3\nc: *nothing\n")
    assert found == [("tag", 2, 4), ("duplicate-key", 3, 1), ("alias", 4, 4)]
    assert plain(node) == {"a": "1", "b": "2", "c": ""}


def test_anchors_stand_for_what_they_name() -> None:
    node, found = read("a: &x {b: c}\nd: *x\n")
    assert plain(node) == {"a": {"b": "c"}, "d": {"b": "c"}}
    assert found == []


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        (BOMB, "expansion"),
        ("- x\n" * (MAX_NODES + 1), "expansion"),
        ("[" * 100_000, "depth"),
        ("- " * 5_000 + "a", "depth"),
        ("{a: " * 5_000, "depth"),
        ("x" * (MAX_FILE_BYTES + 1), "file-size"),
        ("a: 1\n" * 400_000, "file-size"),
        ("a:\n\tb: 1\n", "tab"),
        ("a: b: c", "yaml-syntax"),
        ("a: 'open", "yaml-syntax"),
        ("a\0b", "yaml-syntax"),
        (b"a: \xff\xfe", "encoding"),
        ("", "empty-file"),
        ("# nothing\n", "empty-file"),
        ("a: &a [*a]", "alias"),
        ("a: 1\n---\nb: 2\n", "documents"),
        ("? [a, b]\n: c\n", "key"),
        ("a: !!python/object/apply:os.system [true]", "tag"),
        ("%YAML 9.9\n--- a", "yaml-syntax"),
    ],
)
def test_hostile_files_are_findings(content: str | bytes, rule: str) -> None:
    _, found = read(content)
    assert rule in [name for name, _, _ in found]


def test_a_list_of_faults_is_no_burden() -> None:
    findings = Findings()
    read_yaml(b"a: 1\n" * 2_000, "x.yaml", findings)
    found = findings.sorted()
    assert len(found) == 501
    assert found[-1].rule == "too-many-findings"
    assert all(finding.severity is Severity.ERROR for finding in found)


def test_nothing_printed_can_move_a_cursor() -> None:
    findings = Findings()
    read_yaml('a: 1\n"a\u202e\\e[2J": 1\n"a\u202e\\e[2J": 2\n'.encode(), "\x1b[2Jx.yaml", findings)
    assert all(str(finding).isprintable() for finding in findings.sorted())
    assert findings.has_errors


def test_did_you_mean() -> None:
    assert did_you_mean("meun", ["menu", "fin"]) == "did you mean 'menu'?"
    assert did_you_mean("zzz", ["menu", "fin"]) == "there is 'fin', 'menu'"
    assert did_you_mean("zzz", [f"step{i}" for i in range(50)]) == ""
