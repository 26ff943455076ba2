"""The demo itself: demo/run prepares the machine and calls this with the catalogue's file."""

import os
import statistics
import sys
import time

import catalogue
import compare
from postgres import Postgres
from search_server import SearchServer
from writers import Writers

KEYS = {"packages": ["name", "version", "architecture"], "maintainers": ["email"],
        "sections": ["name"], "dependencies": ["id"], "reviews": ["id"]}
started_at = time.monotonic()
summary = []


def heading(text):
    print(f"\n== {text}", flush=True)


def tell(text=""):
    print(f"  {text}", flush=True)


def note(what, value):
    """A line of the summary at the end."""
    summary.append((what, value))


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def sql(session, statement):
    """Runs a statement and shows it, as one would type it."""
    for number, line in enumerate(statement.strip().splitlines()):
        tell(("demo=# " if number == 0 else "demo-# ") + line)
    return session.execute(statement)


def progress_bar(session, syncs):
    """Draws polyglot.status until the backfill of these syncs has ended."""
    terminal, shown = sys.stdout.isatty(), -10
    while True:
        rows = session.execute(
            "SELECT coalesce(sum(backfill_rows), 0)::bigint, coalesce(sum(backfill_total), 0)"
            "::bigint, coalesce(sum(rate), 0)::bigint, bool_and(state = 'streaming'),"
            " string_agg(DISTINCT state, ', '), max(last_error)"
            " FROM polyglot.status WHERE sync = ANY(%s)", (syncs,)).fetchone()
        done, total, rate, finished, states, error = rows
        percent = 100 if finished else min(99, 100 * done // total) if total else 0
        line = f"[{'#' * (percent * 40 // 100):<40}] {percent:3d} %  {done:>8,} rows  {states}"
        if rate and not finished:
            line += f"  {rate:,}/s"
        if error:
            line += f"  ({error})"
        if terminal:
            print(f"\r  {line:<100}", end="\n" if finished else "", flush=True)
        elif finished or percent >= shown + 10:
            tell(line)
            shown = percent
        if finished:
            return
        time.sleep(0.2)


def create_syncs(session, calls, count, what):
    """Creates syncs, shows the backfill; returns seconds until every row was searchable."""
    names = []
    start = time.monotonic()
    for call in calls:
        names.append(sql(session, call).fetchone()[0])
    progress_bar(session, names)
    for name in names:
        ready = session.execute("SELECT polyglot.wait_for_sync(%s, '5min', true)",
                                (name,)).fetchone()[0]
        assert ready, f"{name} is not in step"
    seconds = time.monotonic() - start
    tell(f"{count:,} {what} searchable {seconds:.1f} s after create_sync")
    return seconds


def show_hits(client, title, index, **request):
    answer = client.search(index=index, size=3, **request)
    tell(f"{title}  ({answer['hits']['total']['value']:,} hits, {answer['took']} ms)")
    for hit in answer["hits"]["hits"]:
        row = hit["_source"]
        tell(f"    {row['name']:<28} {row['installed_kb'] or 0:>9,} kB  {row['summary'][:52]}")


def searches(client):
    heading("Full-text search")
    show_hits(client, '"static site generator"', "packages",
              query={"match": {"summary": {"query": "static site generator", "operator": "and"}}})
    show_hits(client, '"text editor" with the tag uitoolkit::gtk', "packages", query={"bool": {
        "must": {"match": {"summary": {"query": "text editor", "operator": "and"}}},
        "filter": {"term": {"tags.keyword": "uitoolkit::gtk"}}}})
    show_hits(client, "the largest games", "packages", sort=[{"installed_kb": "desc"}],
              query={"term": {"section.keyword": "games"}})
    show_hits(client, "facts.multi-arch = foreign, needs libpq5", "packages", query={"bool": {
        "filter": [{"term": {"facts.multi-arch": "foreign"}},
                   {"term": {"depends.keyword": "libpq5"}}]}})
    answer = client.search(index="packages", size=0, aggs={
        "sections": {"terms": {"field": "section.keyword", "size": 5}}})
    counts = ", ".join(f"{bucket['key']} {bucket['doc_count']:,}"
                       for bucket in answer["aggregations"]["sections"]["buckets"])
    tell(f"largest sections: {counts}")


def show_status(session, writers, since):
    states, lag, pending = session.execute(
        "SELECT string_agg(DISTINCT state, ', '), max(lag), sum(pending) FROM polyglot.status"
        " WHERE sync IN ('packages', 'reviews')").fetchone()
    taken = writers.take_latencies()
    seconds = lag.total_seconds() if lag is not None else 0
    tell(f"{time.monotonic() - since:5.1f} s  {states:<24} lag {seconds:6.1f} s"
         f"  pending {pending or 0:>6,}   {len(taken):>4} commits, slowest"
         f" {max(taken, default=0):5.1f} ms, failed {len(writers.errors)}")
    return taken, states, seconds


def watch(session, writers, since, seconds, until=None):
    """A status line every two seconds; returns what the writers measured meanwhile."""
    measured, deadline = [], time.monotonic() + seconds
    while time.monotonic() < deadline:
        time.sleep(2)
        taken, states, lag = show_status(session, writers, since)
        measured += taken
        if until and until(states, lag):
            return measured
    if until:
        raise AssertionError("what should have happened by now has not")
    return measured


def accident(pg, session, server):
    heading("The accident: writers keep committing while the search server is killed")
    names = [name for name, in session.execute("SELECT name FROM packages ORDER BY name")]
    writers = Writers(pg, names)
    since = time.monotonic()
    try:
        calm = watch(session, writers, since, 8)
        tell("        kill -9 of the search server")
        server.kill()
        storm = watch(session, writers, since, 20)
        down = session.execute("SELECT bool_and(state = 'disconnected') FROM polyglot.status"
                               ).fetchone()[0]
        tell("        the search server starts again")
        server.start()
        back = time.monotonic()
        watch(session, writers, since, 120, lambda states, lag: states == "streaming" and lag < 1)
        drained = time.monotonic() - back
    finally:
        writers.stop()
    tell(f"{drained:.0f} s after the server answered again everything is delivered")
    before, during = percentile(calm, 0.99), percentile(storm, 0.99)
    note("failed transactions of the writers", len(writers.errors))
    note("99 % of commits, server up / server dead", f"{before:.1f} ms / {during:.1f} ms")
    note("status said disconnected", "yes" if down else "NO")
    note("lag back at zero after the server's return", f"{drained:.0f} s")
    return not writers.errors and down


def comparison(pg, session, server):
    heading("Comparing every row with every document (official client, independent code)")
    total = 0
    client = server.client()
    session.execute("SELECT polyglot.wait_for_sync(NULL, '2min', true)")
    with pg.connect("demo") as reader:
        for table, key in KEYS.items():
            rows = session.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            found = compare.compare(reader, client, f"public.{table}", table, key=key)
            tell(f"{table:<14} {rows:>8,} rows  {len(found):>4} differences")
            for difference in found[:5]:
                tell(f"    {difference}")
            total += len(found)
    letters = session.execute("SELECT count(*) FROM polyglot.dead_letters").fetchone()[0]
    tell(f"dead letters: {letters}")
    note("differences between tables and indexes", total)
    note("dead letters", letters)
    return total == 0 and letters == 0


def latencies(pg, server, commits=200, per_second=10):
    heading(f"Latency of {commits} commits at {per_second}/s")
    client = server.client()
    acknowledged, searchable = [], []
    with pg.connect("demo") as session:
        begin = time.perf_counter()
        for number in range(commits):
            time.sleep(max(0.0, begin + number / per_second - time.perf_counter()))
            word = f"marker{number}x"
            session.execute("INSERT INTO reviews (package, stars, body) VALUES ('demo', 5, %s)",
                            (word,))
            committed = time.perf_counter()
            session.execute("SELECT polyglot.wait_for_sync('reviews')")
            acknowledged.append((time.perf_counter() - committed) * 1000)
            client.indices.refresh(index="reviews")
            found = client.search(index="reviews", query={"match": {"body": word}}, size=1)
            assert found["hits"]["total"]["value"] == 1, f"{word} is not found"
            searchable.append((time.perf_counter() - committed) * 1000)
    for what, values in (("commit -> acknowledged", acknowledged),
                         ("commit -> searchable", searchable)):
        text = f"p50 {statistics.median(values):6.1f} ms   p99 {percentile(values, 0.99):6.1f} ms"
        tell(f"{what:<24} {text}")
        note(what, text)


def print_summary(good):
    heading("Summary")
    note("time in total", f"{time.monotonic() - started_at:.0f} s")
    for what, value in summary:
        tell(f"{what:<48} {value}")
    tell()
    tell("Every row is in the index, every writer was served." if good else "THE DEMO FAILED.")


def print_how_to_play(pg, server):
    heading("Still running")
    tell(f"SQL               {pg.bin}/psql -h {pg.folder} -p {pg.port} -U postgres demo")
    tell(f"search            curl '{server.url}/packages/_search?q=summary:editor&pretty'")
    tell("look              SELECT * FROM polyglot.status;")
    tell("change            UPDATE packages SET summary = 'changed' WHERE name = 'bash';")


def main(path):
    heading("Starting PostgreSQL and Elasticsearch in a private folder")
    pg = Postgres("demo").start()
    tell(pg.value("SELECT version()").split(" on ")[0] + f", port {pg.port}")
    server = SearchServer().start()
    tell(f"Elasticsearch {server.version}, {server.url}")
    pg.execute("CREATE DATABASE demo")
    session = pg.connect("demo")
    heading("Loading the catalogue")
    for table, rows in catalogue.load(session, path).items():
        tell(f"{table:<14} {rows:>8,} rows")
    packages = session.execute("SELECT count(*) FROM packages").fetchone()[0]
    dependencies = session.execute("SELECT count(*) FROM dependencies").fetchone()[0]

    heading("From CREATE EXTENSION to a search hit")
    sql(session, "CREATE EXTENSION polyglot_sync;")
    sql(session, "CREATE SERVER search FOREIGN DATA WRAPPER polyglot_sync\n"
        f"  OPTIONS (url '{server.url}');")
    sql(session, "CREATE USER MAPPING FOR PUBLIC SERVER search;")
    seconds = create_syncs(session, [
        "SELECT polyglot.create_sync('packages', 'search',\n"
        "  mapping => '{\"properties\": {\"facts\":\n"
        "    {\"type\": \"flattened\", \"ignore_above\": 8191}}}');",
        "SELECT polyglot.create_sync('maintainers', 'search');",
        "SELECT polyglot.create_sync('sections', 'search');"], packages, "packages")
    note(f"create_sync -> {packages:,} packages searchable", f"{seconds:.1f} s")
    seconds = create_syncs(session, [
        "SELECT polyglot.create_sync('dependencies', 'search');",
        "SELECT polyglot.create_sync('reviews', 'search');"], dependencies, "dependencies")
    note(f"create_sync -> {dependencies:,} dependencies searchable", f"{seconds:.1f} s")
    searches(server.client())
    good = accident(pg, session, server)
    good = comparison(pg, session, server) and good
    latencies(pg, server)
    print_summary(good)
    session.close()
    if "POLYGLOT_KEEP" in os.environ:
        print_how_to_play(pg, server)
    return 0 if good else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except (AssertionError, RuntimeError) as failure:
        print(f"\n  THE DEMO FAILED: {failure}", flush=True)
        sys.exit(1)
