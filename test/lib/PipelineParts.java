package parts;

import java.util.Map;
import org.elasticsearch.ingest.AbstractProcessor;
import org.elasticsearch.ingest.IngestDocument;
import org.elasticsearch.ingest.Processor;
import org.elasticsearch.plugins.IngestPlugin;
import org.elasticsearch.plugins.Plugin;

/// The processors `drop` and `reroute` are in a module that the distribution for integration tests
/// does not have. `take`: documents whose id ends with 3 are dropped, those with 5 go elsewhere.
public class PipelineParts extends Plugin implements IngestPlugin {
    private static final class Take extends AbstractProcessor {
        Take(String tag, String description) {
            super(tag, description);
        }

        @Override
        public IngestDocument execute(IngestDocument document) {
            String id = document.getMetadata().getId();
            if (id.endsWith("3")) {
                return null;
            }
            if (id.endsWith("5")) {
                document.reroute("elsewhere");
            }
            return document;
        }

        @Override
        public String getType() {
            return "take";
        }
    }

    @Override
    public Map<String, Processor.Factory> getProcessors(Processor.Parameters parameters) {
        return Map.of("take", (registry, tag, description, config) -> new Take(tag, description));
    }
}
