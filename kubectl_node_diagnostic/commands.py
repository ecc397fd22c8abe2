"""What each command does."""

import argparse
import pydoc
import secrets
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from agent.errors import FailedError, SettingsError
from kubectl_node_diagnostic import bundle, crowd, objects, progress, report, s3
from kubectl_node_diagnostic.cluster import Cluster
from kubectl_node_diagnostic.collect import Collector, Order, Store, read
from kubectl_node_diagnostic.crowd import News
from kubectl_node_diagnostic.kubectl import Kubectl
from kubectl_node_diagnostic.model import Result
from kubectl_node_diagnostic.objects import Diagnostic
from kubectl_node_diagnostic.stores import InBucket, OnNode
from kubectl_node_diagnostic.summary import printable

_INTERRUPTED = 130


def collect(options: argparse.Namespace) -> int:
    """Ask nodes for bundles, and bring them if that is wanted."""
    order = _order(options)
    place = s3.parse(options.s3) if options.s3 else None
    bucket = s3.Bucket(place, profile=options.profile, region=options.region) if place else None
    stop, news = threading.Event(), News()
    with crowd.interruptible(), Kubectl(_kubectl_options(options)) as kubectl:
        cluster = Cluster(kubectl, stop)
        store: Store = InBucket(bucket, place, order.run, options.expires) if bucket and place else OnNode(cluster)
        collector = Collector(cluster, store, order, news.say)
        run = _Run(kubectl, collector, stop, news)
        results = run.bring(_nodes(cluster, options), options.parallel)
    _print(results, order, options)
    return _INTERRUPTED if stop.is_set() else int(bool(collector.left) or any(result.problem for result in results))


def show(options: argparse.Namespace) -> int:
    """Summarise a bundle, list its files, or print one of them."""
    with _opened(options.file) as file:
        if options.path:
            return _print_entry(file, options.path)
        if options.list:
            for entry in bundle.entries(file):
                sys.stdout.write(f"{entry.size:>12}  {printable(entry.path)}{entry.odd and f'  ({entry.odd})'}\n")
            return 0
        summary = read(file)
    sys.stdout.write(report.summary_as_json(summary) if options.json else report.whole(summary))
    return 0


def status(options: argparse.Namespace) -> int:
    """List the objects that the plug-in made."""
    with Kubectl(_kubectl_options(options)) as kubectl:
        found = _ours(kubectl, options.nodes)
    rows = [(item.name, _state(item), item.created_at, item.run, printable(item.bundle)) for item in found]
    if rows:
        sys.stdout.write(report.table([("NODE", "STATE", "CREATED", "RUN", "BUNDLE"), *rows]))
    else:
        sys.stderr.write("no NodeDiagnostic of this plug-in\n")
    return 0


def clean(options: argparse.Namespace) -> int:
    """Delete objects that the plug-in made."""
    with Kubectl(_kubectl_options(options)) as kubectl:
        cluster = Cluster(kubectl, threading.Event())
        for item in _ours(kubectl, options.nodes):
            if item.ended or options.running:
                cluster.delete(item)
                sys.stdout.write(f"deleted NodeDiagnostic {item.name}\n")
            else:
                sys.stdout.write(f"kept NodeDiagnostic {item.name}: its capture has not ended (--running)\n")
    return 0


class _Run:
    """One run over many nodes, with its progress on standard error."""

    def __init__(self, kubectl: Kubectl, collector: Collector, stop: threading.Event, news: News) -> None:
        self._kubectl = kubectl
        self._collector = collector
        self._stop = stop
        self._news = news

    def bring(self, nodes: Sequence[str], parallel: int) -> list[Result]:
        """Return a result for each node, in their order; after Ctrl-C only what was made is still deleted."""
        found: dict[str, Result] = {}
        with closing(progress.on(sys.stderr, len(nodes))) as watcher:
            threads = crowd.start(nodes, self._collector.bring, self._news, parallel=parallel)
            try:
                found.update((result.node, result) for result in crowd.results(threads, self._news, watcher))
            except KeyboardInterrupt:
                self._stop.set()
                self._kubectl.interrupt()
                watcher.say("interrupted: deleting the objects of this run; again to leave them behind")
                found.update((result.node, result) for result in crowd.results(threads, self._news, watcher))
            finally:
                for name in sorted(self._collector.left):
                    watcher.say(f"left behind: {name}; do: kubectl node-diagnostic clean --running {name}")
        return [found.get(node, Result(node).failed("interrupted", "")) for node in nodes]


def _order(options: argparse.Namespace) -> Order:
    if bool(options.nodes) == bool(options.selector):
        raise SettingsError("say which nodes", hint="give names, or a label selector with -l, and not both")
    wait = options.wait or options.open or options.json or options.output is not None
    if options.no_fetch and (options.node or options.output is not None or options.open):
        raise SettingsError("--no-fetch leaves bundles in S3", hint="give it with --s3, without --output or --open")
    if options.output is not None:
        _make(options.output)
    # Also the name of the run in labels and keys, where it must sort by time and be nobody else's.
    run = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    return Order(run, options.category, options.timeout, wait, wait and not options.no_fetch, options.output)


def _nodes(cluster: Cluster, options: argparse.Namespace) -> list[str]:
    if options.selector:
        nodes = cluster.select(options.selector)
        if not nodes:
            raise FailedError(f"no node has the labels {options.selector}", hint="kubectl get nodes --show-labels")
        return nodes
    nodes = [str(name).removeprefix("node/") for name in dict.fromkeys(options.nodes)]
    for name in nodes:
        if not objects.is_name(name) or not cluster.has_node(name):
            raise FailedError(f"there is no node {printable(name)}", hint="kubectl get nodes")
    return nodes


def _print(results: Sequence[Result], order: Order, options: argparse.Namespace) -> None:
    if options.json:
        sys.stdout.write(report.as_json(results))
        return
    sys.stdout.write("".join(f"{report.brief(result)}\n" for result in results))
    if not order.wait and any(not result.problem for result in results):
        sys.stdout.write(
            "see how they end: kubectl node-diagnostic status; afterwards: kubectl node-diagnostic clean\n"
        )
    if options.open:
        summaries = [report.whole(result.summary) for result in results if result.summary]
        pydoc.pager(("\n" + "-" * 80 + "\n\n").join(summaries))


def _print_entry(file: IO[bytes], path: str) -> int:
    """Print one file of a bundle; on a terminal nothing of it can move the cursor or change the title."""
    for entry in bundle.entries(file):
        if entry.path == path and not entry.odd:
            for chunk in entry.content.chunks():
                if sys.stdout.isatty():
                    sys.stdout.write(report.harmless(chunk.decode(errors="replace")))
                else:
                    sys.stdout.buffer.write(chunk)
            return 0
    raise FailedError(f"the bundle has no file {path}", hint="kubectl node-diagnostic show --list FILE")


def _state(found: Diagnostic) -> str:
    if found.ended:
        return printable(found.ended.reason)
    return "running" if found.capture else "not taken up"


def _ours(kubectl: Kubectl, nodes: Sequence[str]) -> list[Diagnostic]:
    found = Cluster(kubectl, threading.Event()).ours()
    return [item for item in found if not nodes or item.name in nodes]


def _kubectl_options(options: argparse.Namespace) -> list[str]:
    given = {"--kubeconfig": options.kubeconfig, "--context": options.context, "--as": options.impersonate}
    return [f"{name}={value}" for name, value in given.items() if value is not None]


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"cannot make {folder}: {error.strerror}", hint="give another --output") from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    try:
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise FailedError(f"cannot read {path}: {error.strerror}", hint="give a bundle's .tar.gz") from error
