#include "pg/server_connection.h"

namespace polyglot::pg {

namespace {

std::string OrEmpty(const char* text) { return text ? text : ""; }

void AddCredentials(const Credentials& credentials, net::ConnectionConfig* config) {
  switch (credentials.kind) {
    case CredentialKind::kBasic:
      config->user = OrEmpty(credentials.name);
      config->password = OrEmpty(credentials.secret);
      break;
    case CredentialKind::kApiKey:
      config->api_key = OrEmpty(credentials.secret);
      break;
    case CredentialKind::kBearerToken:
      config->bearer_token = OrEmpty(credentials.secret);
      break;
    case CredentialKind::kAws:  // signing comes with a later version
    case CredentialKind::kNone:
      break;
  }
}

}  // namespace

net::ConnectionConfig MakeConnectionConfig(const ServerOptions& options,
                                           const Credentials& credentials, const char* opaque_id) {
  net::ConnectionConfig config;
  for (int i = 0; i < options.url_count; ++i) config.urls.emplace_back(options.urls[i]);
  AddCredentials(credentials, &config);
  config.ca_file = OrEmpty(options.ca_file);
  config.client_cert = OrEmpty(options.client_cert);
  config.client_key = OrEmpty(options.client_key);
  config.verify = options.verify;
  config.connect_timeout = core::Time{options.connect_timeout_us};
  config.request_timeout = core::Time{options.request_timeout_us};
  config.max_connections = static_cast<std::uint32_t>(options.max_in_flight);
  config.opaque_id = OrEmpty(opaque_id);
  return config;
}

}  // namespace polyglot::pg
