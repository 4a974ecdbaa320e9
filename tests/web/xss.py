"""Fifteen strings that run something where they are not escaped."""

XSS = (
    "<script>window.pwned=1</script>",
    "<img src=x onerror=window.pwned=1>",
    '"><svg onload=window.pwned=1>',
    "'><iframe srcdoc='<script>parent.pwned=1</script>'>",
    "javascript:window.pwned=1",
    "</pre><script>window.pwned=1</script>",
    "</script><script>window.pwned=1</script>",
    '" autofocus onfocus="window.pwned=1',
    "' onmouseover='window.pwned=1",
    '<a href="javascript:window.pwned=1">x</a>',
    "{{ ''.__class__.__mro__ }}{% for x in (1).__class__ %}{% endfor %}",
    "<math><mtext></form><form><mglyph><style></math><img src onerror=window.pwned=1>",
    "&lt;script&gt;window.pwned=1&lt;/script&gt;<b>",
    "<base href=//evil.example/><object data=javascript:window.pwned=1>",
    "\u2028<svg/onload=window.pwned=1>\u202e<!--",
)
