#include "net/address.h"

#include <gtest/gtest.h>

namespace polyglot::net {
namespace {

TEST(Address, UnderAnotherName) {
  struct Row {
    const char *url, *named, *connect_to;
  };
  for (const Row& row : {
           Row{"https://10.0.0.1:9200/p/_bulk?a=b", "https://es:9200/p/_bulk?a=b",
               "es:9200:10.0.0.1:9200"},
           Row{"https://host", "https://es:443", "es:443:host:443"},
           Row{"HTTPS://host/x:1", "HTTPS://es:443/x:1", "es:443:host:443"},
           Row{"https://[::1]:9200/", "https://es:9200/", "es:9200:[::1]:9200"},
           Row{"https://[::1]", "https://es:443", "es:443:[::1]:443"},
           Row{"http://host", "http://es:80", "es:80:host:80"},
       }) {
    const NamedAddress named = UnderName(row.url, "es");
    EXPECT_EQ(named.url, row.named);
    EXPECT_EQ(named.connect_to, row.connect_to);
  }
}

TEST(Address, QueryAsItIsSigned) {
  EXPECT_EQ(WithSortedQuery("http://h/_bulk?timeout=3s&filter_path=errors,items.*.status"),
            "http://h/_bulk?filter_path=errors%2Citems.%2A.status&timeout=3s");
  EXPECT_EQ(WithSortedQuery("http://h/a%2Cb"), "http://h/a%2Cb");
  EXPECT_EQ(WithSortedQuery("http://h/?b&a=%2C"), "http://h/?a=%2C&b=");
  EXPECT_EQ(WithSortedQuery("http://h/?"), "http://h/");
}

}  // namespace
}  // namespace polyglot::net
