"""The helpers that judge everything else are right themselves."""

import decimal

import compare
import pg_text
import processes


def test_array_literals_are_read():
    assert pg_text.array("{{1,2},{3,NULL}}", ",", int) == [[1, 2], [3, None]]
    assert pg_text.array('{a,"b\\"c,","NULL",NULL,x y}', ",", str) == \
        ["a", 'b"c,', "NULL", None, "x y"]
    assert pg_text.array("{}", ",", str) == []
    assert pg_text.array("[0:1]={5,6}", ",", int) == [5, 6]


def test_row_literals_are_read():
    assert pg_text.composite('(1,,"a ""b"", c","")') == ["1", None, 'a "b", c', ""]


def test_ranges_are_read():
    assert pg_text.range_bounds("[1,5)") == {"gte": "1", "lt": "5"}
    assert pg_text.range_bounds("(,)") == {}
    assert pg_text.range_bounds("empty") is None
    assert pg_text.multirange('{[1,2),["a\\"x,]",z)}') == ["[1,2)", '["a\\"x,]",z)']


def test_moments_outside_four_digit_years_are_epoch_milliseconds():
    assert pg_text.iso_timestamptz("2020-01-01 10:00:00.5+00") == "2020-01-01T10:00:00.5Z"
    assert pg_text.iso_date("4714-11-24 BC") == -210866803200000
    assert pg_text.iso_timestamp("294276-12-31 23:59:59.999999") == 9224318015999999
    assert pg_text.iso_date("infinity") is None


def test_ids_escape_what_joins_them():
    assert compare.document_id(["a,b", "c\\"]) == "a\\,b,c\\\\"
    assert compare.document_id([""]).startswith("~")
    assert len(compare.document_id(["x" * 513])) == 65


def test_equality_is_strict():
    assert compare.equal(compare.Numeric("1.00"), decimal.Decimal("1.00"))
    assert not compare.equal(compare.Numeric("1.00"), decimal.Decimal("1.0"))
    assert not compare.equal(1, True)
    assert not compare.equal({"a": None}, {})


def bulk_body(index, numbers):
    return "".join(f'{{"index":{{"_index":"{index}","_id":"{number}"}}}}\n'
                   f'{{"x":"{"y" * 200}"}}\n' for number in numbers).encode()


def test_the_server_runs_pieces_of_a_bulk_request_just_when_it_is_to_split_them(search):
    """What makes the runs with +splits worth something."""
    client, index = search.client(), f"splits{processes.free_port()}"
    client.indices.create(index=index)
    body, tail = bulk_body(index, range(200)), b"no action\n{}\n"
    connection = search.connection()
    connection.putrequest("POST", "/_bulk")
    for name, value in {"Content-Type": "application/x-ndjson", **search.authorization,
                        "Content-Length": len(body + tail)}.items():
        connection.putheader(name, value)
    connection.endheaders(body)
    if search.variant == "splits":
        processes.wait_for(lambda: client.exists(index=index, id="0"), "a piece that was run")
    connection.send(tail)
    assert connection.getresponse().status == 400
    connection.close()
    assert client.exists(index=index, id="0") == (search.variant == "splits")
    client.indices.delete(index=index)
