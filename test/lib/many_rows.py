"""Comparing a large table with its index, without either of them in memory."""

import array

PAGE = 10000
ENOUGH = 100  # differences that are told


def read_values(db, table, columns, largest):
    """The value of each id up to `largest`; 0: there is no such row."""
    values = array.array("i", bytes(4 * (largest + 1)))
    with db.connect() as session, session.cursor().copy(
            f"COPY (SELECT {columns} FROM {table}) TO STDOUT") as copy:
        copy.set_types(["int4", "int4"])
        for number, value in copy.rows():
            values[number] = value
    return values


def pages(db, index):
    """All hits of an index, page by page, and nothing else of the answers."""
    words = "filter_path=_scroll_id,hits.hits._id,hits.hits._source"
    page = db.search.request("POST", f"/{index}/_search?scroll=5m&{words}",
                             {"size": PAGE, "sort": ["_doc"]}, 120)
    while page.get("hits"):
        yield page["hits"]["hits"]
        page = db.search.request("POST", f"/_search/scroll?{words}",
                                 {"scroll": "5m", "scroll_id": page["_scroll_id"]}, 120)


def differences(db, table, largest, columns, document):
    """Some of the documents that are missing, orphans or different; empty when there are none.

    The table has an integer key, at most `largest`, and another integer column that is never 0:
    `columns` names both. document(key, value) is what the index must hold for such a row.
    """
    values = read_values(db, table, columns, largest)
    seen, found = bytearray(len(values)), []
    for page in pages(db, db.index(table)):
        for hit in page:
            number = int(hit["_id"])
            value = values[number] if 0 < number <= largest else 0
            if value == 0 or hit["_source"] != document(number, value):
                found.append(("orphan" if value == 0 else "different", number, hit["_source"]))
            if value != 0:
                seen[number] = 1
        if len(found) >= ENOUGH:
            return found[:ENOUGH]
    found += [("missing", number) for number, value in enumerate(values) if value and not seen[number]]
    return found[:ENOUGH]
