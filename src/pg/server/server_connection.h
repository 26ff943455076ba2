#pragma once
// From options and credentials to what the network layer takes.

#include "net/search_client.h"
#include "pg/server/server_options.h"

namespace polyglot::pg {

/// Why these credentials cannot be used with this server; no secret. nullptr: they can.
const char* CredentialTrouble(const ServerOptions& options, const Credentials& credentials);
/// `opaque_id` is sent as X-Opaque-Id with every request. May throw std::bad_alloc.
net::ConnectionConfig MakeConnectionConfig(const ServerOptions& options,
                                           const Credentials& credentials, const char* opaque_id);

}  // namespace polyglot::pg
