"""The official clients, set up so that a comparison can be exact."""

import decimal
import json

import elasticsearch


class ExactJson(elasticsearch.JsonSerializer):
    """Numbers with a fraction become Decimal: 1.00 stays 1.00."""

    def loads(self, data):
        return self.json_loads(data)

    def json_loads(self, data):
        return json.loads(data, parse_float=decimal.Decimal)


class ExactCompatibleJson(ExactJson):
    mimetype = "application/vnd.elasticsearch+json"


def connect(kind: str, url: str):
    if kind != "elasticsearch":
        raise ValueError(f"no client for {kind} yet")
    return elasticsearch.Elasticsearch(
        url, request_timeout=60, retry_on_timeout=False, max_retries=0,
        serializers={"application/json": ExactJson(),
                     "application/vnd.elasticsearch+json": ExactCompatibleJson()})
