"""Defects to plant: small files of four languages, each with the class of the defect and the rules that name it.

Secrets are put together when they are planted, so that none stands here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Shapes of secrets: what detect-secrets knows by its form, and nothing that ever opened a door.
_AWS, _GITHUB = "AKIA" + "Q3EGRIJSXPLUOMTW", "gh" + "p_wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx"
_STRIPE, _KEY = "sk_" + "live_4eC39HqLyjWDarjtT1zdp7dc", "-----BEGIN RSA " + "PRIVATE KEY-----"


@dataclass(frozen=True)
class Planted:
    """One defect.

    Args:
        kind: Its class.
        path: The file, whose ending is its language.
        code: The file.
        rules: One of these is its name in the table's analysers.
        before: The file as base has it; empty: it is new.
    """

    kind: str
    path: str
    code: str
    rules: frozenset[str]
    before: str = ""


#: Class, rules that name it, and code, by language: an entry of more lines is one file.
_PYTHON: tuple[tuple[str, str, str], ...] = (
    ("unused import", "F401", "import os\n"),
    ("undefined name", "F821", "def f():\n    return missing\n"),
    ("undefined name", "F821", "def f(a):\n    return a + b_total\n"),
    ("unused variable", "F841", "def f():\n    value = 1\n    return 2\n"),
    ("likely bug", "B006", "def f(x=[]):\n    return x\n"),
    ("likely bug", "B023", "def f():\n    return [lambda: i for i in range(3)]\n"),
    ("likely bug", "F632", "def f(x):\n    return x is 'a'\n"),
    ("likely bug", "B012", "def f():\n    try:\n        g()\n    finally:\n        return 1\n\n\ndef g():\n    pass\n"),
    ("likely bug", "E722", "def f():\n    try:\n        return 1\n    except:\n        return 2\n"),
    ("type error", "assignment", "x: int = 'a'\n"),
    ("type error", "return-value", "def f() -> int:\n    return 'a'\n"),
    ("type error", "arg-type", "def f(a: int) -> int:\n    return a\n\n\nf('x')\n"),
    ("type error", "attr-defined", "def f(a: int) -> int:\n    return a.missing\n"),
    ("type error", "call-arg", "def f(a: int) -> int:\n    return a\n\n\nf(1, 2)\n"),
    ("does not parse", "invalid-syntax", "def f(:\n    pass\n"),
    ("input runs as code", "B307", "def f(x):\n    return eval(x)\n"),
    ("input runs as code", "B102", "def f(x):\n    exec(x)\n"),
    ("input runs in a shell", "B602", "import subprocess\n\n\ndef f(x):\n    subprocess.run(x, shell=True)\n"),
    ("input runs in a shell", "B605", "import os\n\n\ndef f(x):\n    os.system('rm ' + x)\n"),
    ("unsafe deserialisation", "B301", "import pickle\n\n\ndef f(x):\n    return pickle.loads(x)\n"),
    ("unsafe deserialisation", "B506", "import yaml\n\n\ndef f(x):\n    return yaml.load(x)\n"),
    (
        "certificates not checked",
        "B501",
        "import requests\n\n\ndef f(x):\n    requests.get(x, verify=False, timeout=1)\n",
    ),
    ("weak cryptography", "B324", "import hashlib\n\n\ndef f(x):\n    return hashlib.md5(x).hexdigest()\n"),
    ("query from text", "B608", 'def f(c, x):\n    c.execute("SELECT * FROM t WHERE a = \'" + x + "\'")\n'),
    ("suppression", "noqa", "import json  # noqa: F401\n"),
    ("suppression", "nosec", "def f(x):\n    assert x  # nosec\n"),
    ("suppression", "type: ignore", "x: int = 'a'  # type: ignore\n"),
    ("secret", "aws-access-key", f"KEY = '{_AWS}'\n"),
    ("secret", "github-token", f"TOKEN = '{_GITHUB}'\n"),
    ("secret", "private-key", f"KEY = '''{_KEY}\nabc'''\n"),
)
_JAVASCRIPT: tuple[tuple[str, str, str], ...] = (
    ("input runs as code", "eval", "export const f = (x) => eval(x)\n"),
    ("input runs as code", "eval", "export const f = (x) => new Function(x)()\n"),
    (
        "input runs in a shell",
        "shell",
        "import cp from 'child_process'\nexport const f = (x) => cp.execSync(`rm ${x}`)\n",
    ),
    ("input runs in a shell", "shell", "import cp from 'child_process'\nexport const f = (x) => cp.exec('rm ' + x)\n"),
    (
        "input runs in a shell",
        "shell",
        "import cp from 'child_process'\nexport const f = (x) => cp.spawn(x, {shell: true})\n",
    ),
    ("unescaped markup", "markup", "export const f = (e, x) => { e.innerHTML = x }\n"),
    ("unescaped markup", "markup", "export const f = (x) => { document.write(x) }\n"),
    ("certificates not checked", "certificates", "export const o = {rejectUnauthorized: false}\n"),
    ("does not parse", "syntax", "export const f = (x => {\n"),
    ("suppression", "eslint-disable", "/* eslint-disable */\nexport const a = 1\n"),
    ("secret", "stripe-access-key", f"export const key = '{_STRIPE}'\n"),
)
_GO: tuple[tuple[str, str, str], ...] = (
    ("input runs in a shell", "shell", 'package p\n\nfunc f(x string) { exec.Command("sh", "-c", x).Run() }\n'),
    ("input runs in a shell", "shell", 'package p\n\nfunc f(x string) { exec.Command("bash", "-c", "rm "+x).Run() }\n'),
    ("certificates not checked", "certificates", "package p\n\nvar t = tls.Config{InsecureSkipVerify: true}\n"),
    ("unescaped markup", "markup", "package p\n\nfunc f(x string) any { return template.HTML(x) }\n"),
    ("unsafe memory", "unsafe", "package p\n\nfunc f(x *int) any { return unsafe.Pointer(x) }\n"),
    ("does not parse", "syntax", "package p\n\nfunc f( {\n"),
    ("suppression", "nolint", "package p\n\nvar a = 1 //nolint\n"),
    ("secret", "aws-access-key", f'package p\n\nconst key = "{_AWS}"\n'),
)
_RUST: tuple[tuple[str, str, str], ...] = (
    ("input runs in a shell", "shell", 'fn f(x: &str) { Command::new("sh").arg("-c").arg(x).spawn(); }\n'),
    (
        "input runs in a shell",
        "shell",
        'fn f(x: &str) { Command::new("bash").arg("-c").arg(&format!("rm {x}")).spawn(); }\n',
    ),
    ("certificates not checked", "certificates", "fn f(b: B) -> B { b.danger_accept_invalid_certs(true) }\n"),
    ("unsafe memory", "unsafe", "fn f() { unsafe { g() } }\n"),
    ("does not parse", "syntax", "fn f( {\n"),
    ("suppression", "allow", "#[allow(dead_code)]\nfn f() {}\n"),
    ("secret", "github-token", f'const KEY: &str = "{_GITHUB}";\n'),
)
#: What base has where a defect is planted into a file that is there.
_BEFORE = {".py": "A_NUMBER = 1\n", ".js": "export const before = 1\n", ".ts": "export const before = 1\n",
           ".go": "", ".rs": "fn before() {}\n"}  # fmt: skip
_LANGUAGES = {".py": _PYTHON, ".js": _JAVASCRIPT, ".ts": _JAVASCRIPT, ".go": _GO, ".rs": _RUST}


def planted() -> Iterator[Planted]:
    """Yield every defect, by turns in a new file and at the end of one that is there."""
    for suffix, entries in _LANGUAGES.items():
        for number, (kind, rule, code) in enumerate(entries):
            before = _BEFORE[suffix] if number % 2 and kind != "does not parse" else ""
            yield Planted(kind, f"case_{number:02}{suffix}", before + code, frozenset({rule}), before)


def clean() -> Iterator[tuple[str, str, str]]:
    """Yield honest changes: path, before, after."""
    for number in range(5):
        body = f'"""Sums."""\n\n\ndef total(values: list[int]) -> int:\n    return sum(values) + {number}\n'
        more = "\n\ndef mean(values: list[int]) -> float:\n    return total(values) / len(values)\n"
        yield f"sums_{number}.py", body, body + more
        script = f"export const total = (values) => values.reduce((a, b) => a + b, {number});\n"
        yield f"sums_{number}.js", script, script + "export const mean = (values) => total(values) / values.length;\n"
        go = f"package sums\n\nfunc Add(a int) int {'{'} return a + {number} {'}'}\n"
        yield f"sums_{number}.go", go, go + "\nfunc Twice(a int) int { return Add(Add(a)) }\n"
        rust = f"pub fn add(a: i32) -> i32 {{ a + {number} }}\n"
        yield f"sums_{number}.rs", rust, rust + "\npub fn twice(a: i32) -> i32 { add(add(a)) }\n"
