"""All the ways in which a page can try to reach a host behind our back."""

from __future__ import annotations

#: Name → what stands in the page; `F` is the other site's address, `NAME` the trick's path there.
MARKUP = {
    "image": '<img src="F/NAME">',
    "srcset": '<img srcset="F/NAME 2x, F/NAME 1x">',
    "script": '<script src="F/NAME" async></script>',
    "module": '<script type="module" src="F/NAME"></script>',
    "style": '<link rel="stylesheet" href="F/NAME" media="print">',
    "import": '<style>@import url("F/NAME");</style>',
    "background": '<p style="background:url(F/NAME)">x</p>',
    "font": "<style>@font-face{font-family:f;src:url(F/NAME)}b{font-family:f}</style><b>x</b>",
    "frame": '<iframe src="F/NAME"></iframe>',
    "frame-inline": "<iframe srcdoc=\"<img src='F/NAME'>\"></iframe>",
    "object": '<object data="F/NAME"></object>',
    "embed": '<embed src="F/NAME">',
    "video": '<video src="F/NAME" preload="auto"></video>',
    "audio": '<audio src="F/NAME" preload="auto"></audio>',
    "prefetch": '<link rel="prefetch" href="F/NAME">',
    "preload": '<link rel="preload" as="image" href="F/NAME">',
    "modulepreload": '<link rel="modulepreload" href="F/NAME">',
    "preconnect": '<link rel="preconnect" href="F/">',
    "dns": '<link rel="dns-prefetch" href="F/">',
    "svg": '<svg><image href="F/NAME" width="9" height="9"/></svg>',
    "input": '<input type="image" src="F/NAME">',
    "speculation": '<script type="speculationrules">{"prefetch":[{"source":"list",'
    '"urls":["F/NAME"],"eagerness":"immediate"}],"prerender":[{"source":"list",'
    '"urls":["F/NAME"],"eagerness":"immediate"}]}</script>',
}
#: Name → script; the same words.
SCRIPTS = {
    "fetch": "fetch('F/NAME', {mode: 'no-cors'})",
    "post": "fetch('F/NAME', {mode: 'no-cors', method: 'POST', body: 'x'})",
    "keepalive": "fetch('F/NAME', {mode: 'no-cors', keepalive: true, method: 'POST', body: 'x'})",
    "request": "(() => { const x = new XMLHttpRequest(); x.open('GET', 'F/NAME'); x.send(); })()",
    "beacon": "navigator.sendBeacon('F/NAME', 'x')",
    "events": "new EventSource('F/NAME')",
    "socket": "new WebSocket('F/NAME'.replace('http', 'ws'))",
    "ping": "(() => { const a = document.createElement('a'); a.href = '#x'; a.ping = 'F/NAME';"
    " document.body.append(a); a.click(); })()",
    "popup": "window.open('F/NAME')",
    "form": "(() => { const f = document.createElement('form'); f.action = 'F/NAME';"
    " f.method = 'post'; f.target = '_blank'; document.body.append(f); f.submit(); })()",
    "redirected": "fetch('/redirect?to=F/NAME', {mode: 'no-cors'})",
    "redirected-image": "new Image().src = '/redirect?to=F/NAME'",
    "worker": "new Worker(URL.createObjectURL(new Blob([\"fetch('F/NAME', {mode: 'no-cors'})\"])))",
    "worker-import": "new Worker(URL.createObjectURL(new Blob([\"importScripts('F/NAME')\"])))",
    "worker-socket": "new Worker(URL.createObjectURL(new Blob(["
    "\"new WebSocket('F/NAME'.replace('http', 'ws'))\"])))",
    "shared-worker": "new SharedWorker(URL.createObjectURL(new Blob(["
    "\"fetch('F/NAME', {mode: 'no-cors'})\"])))",
    "service-worker": "navigator.serviceWorker.register('/worker.js')",
    "rtc": "(() => { const c = new RTCPeerConnection({iceServers: [{urls: 'stun:UDP'}, "
    "{urls: 'turn:UDP', username: 'a', credential: 'b'},"
    "{urls: 'turn:TCP?transport=tcp', username: 'a', credential: 'b'}]});"
    " c.createDataChannel('x'); c.createOffer().then((o) => c.setLocalDescription(o)); })()",
    "rtc-from-frame": "(() => { const f = document.createElement('iframe');"
    " document.body.append(f); const c = new f.contentWindow.RTCPeerConnection({iceServers: ["
    "{urls: 'stun:UDP'}]}); c.createDataChannel('x');"
    " c.createOffer().then((o) => c.setLocalDescription(o)); })()",
    "transport": "new WebTransport('https://UDP/')",
}
#: The service worker asks as soon as it is there.
WORKER = "fetch('F/service-worker', {mode: 'no-cors'})"


def page(forbidden: str, udp: str, *, redirects_to: str = "") -> str:
    """A page that tries all of them; `forbidden` and `udp` are `host:port`."""
    site = f"http://{forbidden}"
    parts = [_filled(text, name, site, udp) for name, text in MARKUP.items()]
    scripts = [
        f"<script>try {{ {_filled(text, name, site, udp)} }} catch (e) {{}}</script>"
        for name, text in SCRIPTS.items()
    ]
    return f"<!doctype html><body>{''.join(parts)}{''.join(scripts)}{redirects_to}</body>"


def _filled(text: str, name: str, site: str, udp: str) -> str:
    tcp = site.removeprefix("http://")
    return (
        text.replace("NAME", name).replace("F/", f"{site}/").replace("UDP", udp).replace("TCP", tcp)
    )
