"""Measure every figure; see the package's docstring."""

from __future__ import annotations

import argparse
import importlib
import json
import time
import traceback

from benchmarks import HERE, RESULTS, WORK, Skipped, data_folder, machine

#: Not figures of their own: parts that others run.
PARTS = {"__init__", "__main__", "browser_site", "crowded", "postgres", "running_app", "test_small"}


def names() -> list[str]:
    return sorted(path.stem for path in HERE.glob("*.py") if path.stem not in PARTS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", help="which figures (default: all)")
    parser.add_argument("--small", action="store_true", help="small scale, printed, not stored")
    parser.add_argument("--again", action="store_true", help="measure even what is stored")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names())
    if unknown:
        parser.error(f"no figure {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    failed = 0
    for name in arguments.names or names():
        target = RESULTS / f"{name}.json"
        if target.exists() and not arguments.small and not arguments.again:
            print(f"{name}: measured already ({target.relative_to(HERE.parent)})", flush=True)
            continue
        rows = WORK / f"{name}.jsonl"
        if arguments.again and not arguments.small:
            rows.unlink(missing_ok=True)
        print(f"{name}: measuring …", flush=True)
        start = time.perf_counter()
        try:
            figures = importlib.import_module(f"benchmarks.{name}").run(
                data_folder(), arguments.small
            )
        except Skipped as reason:
            print(f"{name}: skipped, {reason}", flush=True)
            continue
        except Exception:
            traceback.print_exc()
            failed += 1
            continue
        whole = {"name": name, "machine": machine(), "figures": figures}
        text = json.dumps(whole, indent=2, ensure_ascii=False) + "\n"
        if arguments.small:
            print(text)
        else:
            RESULTS.mkdir(exist_ok=True)
            target.write_text(text, encoding="utf-8")
            rows.unlink(missing_ok=True)
        print(f"{name}: {time.perf_counter() - start:.1f} s", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
