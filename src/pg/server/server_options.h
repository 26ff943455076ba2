#pragma once
// Options of a search server (CREATE SERVER) and of its user mappings, as plain data.
// Everything is palloc'd in CurrentMemoryContext. Needs a transaction; may ereport.

#include <cstdint>

#include "pg/prelude.h"

namespace polyglot::pg {

/// Options of the server with defaults filled in. nullptr: not set.
struct ServerOptions {
  int url_count;
  char** urls;  // scheme://host[:port][/prefix], no trailing slash, no user info
  char* ca_file;
  char* client_cert;
  char* client_key;
  bool verify;  // false: neither certificate nor host name is checked
  char* tls_server_name;
  char* proxy;
  bool gzip;  // compression of request bodies
  int64 connect_timeout_us, request_timeout_us, linger_us;
  int max_in_flight;
  int64 batch_bytes;
  int batch_operations;
  char* index_prefix;     // "" when not set
  bool confine;           // every index has it
  int64 max_queue_bytes;  // 0: no limit
  char* aws_region;
  char* aws_service;
};

enum class CredentialKind { kNone, kBasic, kApiKey, kBearerToken, kAws };

/// What a user mapping says, secret files read. Never to be logged.
struct Credentials {
  Oid user;    // role of the mapping that was used; InvalidOid: that for PUBLIC, or none at all
  bool found;  // false: there is no mapping for the role or for PUBLIC
  CredentialKind kind;
  char* name;    // user, or AWS access key
  char* secret;  // password, API key, token, or AWS secret key
  char* error;   // not null: the secret cannot be had (an unreadable file); says why, no secret
};

/// ERROR 42704 when the server does not exist or is not one of ours.
ServerOptions* LoadServerOptions(Oid server);
/// The mapping of `role`, else that for PUBLIC. Reads secret files anew.
Credentials LoadCredentials(Oid server, Oid role);
/// Is this a server of our foreign-data wrapper?
bool IsOurServer(Oid server);
/// 0A000 for a kind of target that there is no support for (CREATE SERVER … TYPE; absent or
/// 'search': a search server). The server is one of ours.
void CheckServerKind(Oid server);
/// Looks a server up by name: ERROR 42704, also for a server of another wrapper.
Oid FindServerOrError(const char* name);

}  // namespace polyglot::pg
