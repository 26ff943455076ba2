"""The official clients, set up so that a comparison can be exact.

Calls that both understand give the request as `body`.
"""

import decimal
import json

import elasticsearch
import elasticsearch.helpers
import opensearchpy
import opensearchpy.helpers


def read_exactly(data):
    """Numbers with a fraction become Decimal: 1.00 stays 1.00."""
    return json.loads(data, parse_float=decimal.Decimal)


class ExactJson(elasticsearch.JsonSerializer):
    def json_loads(self, data):
        return read_exactly(data)


class ExactCompatibleJson(ExactJson):
    mimetype = "application/vnd.elasticsearch+json"


class ExactOpenSearchJson(opensearchpy.serializer.JSONSerializer):
    def loads(self, s):
        return read_exactly(s)


def connect(kind: str, url: str, **security):
    if kind == "opensearch":
        serializer = ExactOpenSearchJson()
        return opensearchpy.OpenSearch(
            url, timeout=60, max_retries=0, retry_on_timeout=False, serializer=serializer,
            serializers={"application/json": serializer})
    return elasticsearch.Elasticsearch(
        url, request_timeout=60, retry_on_timeout=False, max_retries=0, **security,
        serializers={"application/json": ExactJson(),
                     "application/vnd.elasticsearch+json": ExactCompatibleJson()})


def scan(client, index: str):
    """Every hit of an index."""
    library = opensearchpy if isinstance(client, opensearchpy.OpenSearch) else elasticsearch
    return library.helpers.scan(client, index=index, size=2000,
                                query={"query": {"match_all": {}}})
