#pragma once

namespace polyglot::pg {

/// pg_upgrade keeps no OIDs of foreign servers: has every row of ours name those that its server
/// has now, by the server's name. Changes nothing where all are right. May ereport.
void ResolveServers();

}  // namespace polyglot::pg
