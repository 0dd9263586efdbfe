"""The content security policy of pages: their own scripts, and nothing else."""

from __future__ import annotations

from recomart_lib.core.page_policy import policy


def test_only_the_named_scripts_may_run():
    # echo -n "alert(1)" | openssl dgst -sha256 -binary | base64
    assert "script-src 'sha256-bhHHL3z2vDgxUt0W3dWQOrprscmda2Y5pLsLg4GF+pI='" in policy("alert(1)")
    assert policy("a", "b").count("'sha256-") == 2
    assert policy().endswith("script-src 'none'")
    assert "unsafe-inline" not in policy("a").partition("script-src")[2]
    assert policy("a").startswith("default-src 'none'; ")
