"""Logs as HTML: folds, colours, and nothing that a job could smuggle in."""

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from homeport.pipeline.report.ansi import log_as_html


def html(*lines: str) -> str:
    return "".join(log_as_html(lines))


class Balanced(HTMLParser):
    """Remembers text and tags; fails of a tag that is not ours or does not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"details", "summary", "span"}
        assert {name for name, _ in attrs} <= {"open", "class", "style"}
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_markup_is_shown_and_means_nothing() -> None:
    assert html("<b>&amp; \"x\" 'y'") == "&lt;b&gt;&amp;amp; &quot;x&quot; &#x27;y&#x27;\n"


def test_colours_are_spans_and_end() -> None:
    assert html("\x1b[31mred\x1b[0m plain") == '<span class="f1">red</span> plain\n'
    assert html("\x1b[1;92mx\x1b[22my") == (
        '<span class="b f10">x</span><span class="f10">y</span>\n'
    )
    assert html("\x1b[38;5;208mo\x1b[48;2;1;2;300mp") == (
        '<span style="color:#ff8700">o</span>'
        '<span style="color:#ff8700;background:#0102ff">p</span>\n'
    )


def test_a_colour_lasts_over_lines_and_a_carriage_return_overwrites() -> None:
    assert html("\x1b[31ma", "b\x1b[m") == '<span class="f1">a</span>\n<span class="f1">b</span>\n'
    assert html("10%\r100%") == "100%\n"


def test_a_section_is_a_fold_with_its_time() -> None:
    text = html(
        "section_start:100:prep[collapsed=true]\r\x1b[0K\x1b[36mPrepare <it>\x1b[0m",
        "inside",
        "section_end:163:prep\r\x1b[0K",
        "after",
    )
    assert text == (
        '<details><summary><span class="f6">Prepare &lt;it&gt;</span></summary>inside\n'
        '<span class="took">1m 03s</span></details>after\n'
    )


def test_sections_nest_and_those_without_end_are_ended() -> None:
    text = html(
        "section_start:1:a\r\x1b[0KA",
        "section_start:1:b\r\x1b[0KB",
        "x",
        "section_end:2:a\r\x1b[0K",
    )
    assert text.count("<details open>") == text.count("</details>") == 2
    Balanced(text)
    assert html("section_start:1:a\r\x1b[0KA", "x").endswith("x\n</details>")
    assert html("section_end:1:never\r\x1b[0K", "x") == "x\n"


def test_an_end_and_a_start_on_one_line() -> None:
    text = html(
        "section_start:1:a\r\x1b[0KA", "section_end:2:a\r\x1b[0Ksection_start:2:b\r\x1b[0KB", "x"
    )
    assert Balanced(text).text == "A1.0sBx\n"


def test_a_hundred_thousand_sections_stay_linear() -> None:
    text = html(*["section_start:1:a\r\x1b[0K"] * 100_000)
    assert text.count("<details") == 20
    Balanced(text)


@given(
    st.lists(
        st.lists(
            st.sampled_from(
                ["\x1b[", "31m", "0m", "38;5;", ";", "\r", "\x1b[0K", "section_start:1:a", "[x=<]",
                 "section_end:2:a", "<script>", '"', "\x00", "\x9b", "text", "\x1b]0;", "\x07"]
            )
        ).map("".join),
        max_size=12,
    )
)  # fmt: skip
def test_any_log_gives_balanced_tags_of_ours_alone(lines: list[str]) -> None:
    parsed = Balanced(html(*lines))
    assert not any(char in parsed.text for char in "\x00\x1b\x07\x9b\r")
