#include "pg/sha256.h"

#include "pg/prelude.h"

namespace polyglot::pg {

bool PgSha256(const void* data, std::size_t size, std::uint8_t* digest) {
  pg_cryptohash_ctx* context = pg_cryptohash_create(PG_SHA256);
  const bool ok = context != nullptr && pg_cryptohash_init(context) >= 0 &&
                  pg_cryptohash_update(context, static_cast<const uint8*>(data), size) >= 0 &&
                  pg_cryptohash_final(context, digest, PG_SHA256_DIGEST_LENGTH) >= 0;
  pg_cryptohash_free(context);
  return ok;
}

}  // namespace polyglot::pg
