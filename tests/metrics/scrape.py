"""Read what an exporter serves, with the parser of the client library."""

from __future__ import annotations

import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def get(address: str, path: str) -> tuple[int, str]:
    """Return status and text of a page."""
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def scrape(address: str) -> dict[str, float]:
    """Return sample -> value; a sample with labels is written as ``name{a=1,b=2}``, without prefix and version."""
    status, text = get(address, "/metrics")
    assert status == 200, text
    found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()) if k not in ("prefix", "version"))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found
