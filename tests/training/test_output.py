from __future__ import annotations

import io
import logging
import sys
import warnings

import pytest
import pytorch_lightning  # noqa: F401  its handlers are what is moved

from lightning_hpo.training.output import speaking_into


@pytest.fixture
def handler():
    """A handler as Lightning makes it where nobody has set up logging; pytest has."""
    made = logging.StreamHandler()
    logger = logging.getLogger("pytorch_lightning")
    logger.addHandler(made)
    yield made
    logger.removeHandler(made)


def test_prints_warnings_and_lightnings_lines_go_into_the_stream(
    handler: logging.Handler, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    # pytest collects warnings; Python shows them on what is sys.stderr at that time.
    monkeypatch.setattr(warnings, "showwarning", lambda *told, **_: sys.stderr.write(warnings.formatwarning(*told[:4])))
    stream = io.StringIO()
    with speaking_into(stream):
        print("printed")
        print("complained", file=sys.stderr)
        warnings.warn("warned", UserWarning, stacklevel=1)
        logging.getLogger("pytorch_lightning").warning("logged")
    heard = stream.getvalue()
    assert [word for word in ("printed", "complained", "warned", "logged") if word not in heard] == []
    assert capsys.readouterr() == ("", "")


def test_afterwards_everything_is_as_before(handler: logging.Handler, capsys: pytest.CaptureFixture[str]):
    handlers = {h: h.stream for h in logging.getLogger("pytorch_lightning").handlers if hasattr(h, "stream")}
    filters = list(warnings.filters)
    stream = io.StringIO()
    with pytest.raises(ValueError, match="thrown"), speaking_into(stream):
        raise ValueError("thrown")
    print("printed")
    assert stream.getvalue() == ""
    assert capsys.readouterr().out == "printed\n"
    assert handlers
    assert {handler: handler.stream for handler in handlers} == handlers
    assert warnings.filters == filters


def test_a_handler_made_inside_speaks_to_the_terminal_afterwards():
    logger = logging.getLogger("lightning.fabric")
    stream = io.StringIO()
    with speaking_into(stream):
        handler = logging.StreamHandler()
        logger.addHandler(handler)
    try:
        assert handler.stream is sys.stderr
    finally:
        logger.removeHandler(handler)
