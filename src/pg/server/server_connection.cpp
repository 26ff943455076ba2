#include "pg/server/server_connection.h"

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
    case CredentialKind::kAws:
      config->aws_access_key = OrEmpty(credentials.name);
      config->aws_secret_key = OrEmpty(credentials.secret);
      break;
    case CredentialKind::kNone:
      break;
  }
}

}  // namespace

const char* CredentialTrouble(const ServerOptions& options, const Credentials& credentials) {
  if (credentials.error) return credentials.error;
  if (credentials.kind == CredentialKind::kAws && !options.aws_region)
    return "option \"aws_region\" of the server is needed to sign requests with AWS keys";
  return nullptr;
}

net::ConnectionConfig MakeConnectionConfig(const ServerOptions& options,
                                           const Credentials& credentials, const char* opaque_id) {
  net::ConnectionConfig config;
  for (int i = 0; i < options.url_count; ++i) config.urls.emplace_back(options.urls[i]);
  AddCredentials(credentials, &config);
  if (const char* trouble = CredentialTrouble(options, credentials)) config.unusable = trouble;
  config.aws_region = OrEmpty(options.aws_region);
  config.aws_service = options.aws_service ? options.aws_service : "es";
  config.tls_server_name = OrEmpty(options.tls_server_name);
  config.proxy = OrEmpty(options.proxy);
  config.gzip = options.gzip;
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
