package parts;

import java.util.Map;
import java.util.regex.Pattern;
import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.email.UAX29URLEmailTokenizer;
import org.apache.lucene.analysis.miscellaneous.RemoveDuplicatesTokenFilter;
import org.apache.lucene.analysis.pattern.PatternCaptureGroupTokenFilter;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.index.IndexSettings;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

/// The settings of Elasticsearch's .security index name two filters and a tokenizer of a module
/// that the distribution for integration tests does not have.
public class AnalysisParts extends Plugin implements AnalysisPlugin {
    private record Filter(String name, java.util.function.UnaryOperator<TokenStream> around)
            implements TokenFilterFactory {
        @Override
        public TokenStream create(TokenStream input) {
            return around.apply(input);
        }
    }

    private static final class PatternCapture implements AnalysisProvider<TokenFilterFactory> {
        @Override
        public boolean requiresAnalysisSettings() {
            return true;
        }

        @Override
        public TokenFilterFactory get(IndexSettings index, Environment environment, String name,
                Settings settings) {
            Pattern[] patterns = settings.getAsList("patterns").stream().map(Pattern::compile)
                    .toArray(Pattern[]::new);
            boolean original = settings.getAsBoolean("preserve_original", true);
            return new Filter(name,
                    input -> new PatternCaptureGroupTokenFilter(input, original, patterns));
        }
    }

    @Override
    public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
        return Map.of("pattern_capture", new PatternCapture(), "unique",
                (index, environment, name, settings) ->
                        new Filter(name, RemoveDuplicatesTokenFilter::new));
    }

    @Override
    public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
        return Map.of("uax_url_email", (index, environment, name, settings) ->
                TokenizerFactory.newFactory(name, UAX29URLEmailTokenizer::new));
    }
}
