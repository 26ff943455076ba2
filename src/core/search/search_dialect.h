#pragma once
// `_bulk` of Elasticsearch and OpenSearch.

#include "core/delivery/dialect.h"

namespace polyglot::core {

const Dialect& SearchDialect();

}  // namespace polyglot::core
