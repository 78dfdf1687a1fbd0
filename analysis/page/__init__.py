"""Report: the self-contained HTML page. The commands import it."""

from codim.lazy import lazily

__getattr__ = lazily(__name__, write_report="report")
