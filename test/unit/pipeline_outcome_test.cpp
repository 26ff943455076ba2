// Documents that an ingest pipeline has taken: the server says that all went well.

#include "core/delivery/delivery.h"
#include "core/delivery/finished.h"
#include "core/operation.h"
#include "delivery_fixture.h"

namespace polyglot::core {
namespace {

class PipelineTest : public DeliveryTest {
 protected:
  Finished Deliver(Operation operation, const std::string& answer) {
    delivery.Submit(std::move(operation), now);
    const BulkBatch batch = Next();
    delivery.Complete(batch.id, Http(200, R"({"errors":false,"items":[)" + answer + "]}"), now);
    const auto finished = delivery.TakeFinished();
    EXPECT_EQ(finished.size(), 1u);
    return finished.empty() ? Finished{} : finished[0];
  }
};

TEST_F(PipelineTest, ADroppedDocumentIsADeadLetter) {
  const Finished f =
      Deliver(Make("a", 1), R"({"index":{"_index":"i1","_id":"a","result":"noop","status":200}})");
  EXPECT_EQ(f.outcome, FinalOutcome::kDead);
  EXPECT_EQ(f.error_type, "dropped_by_pipeline");
  EXPECT_EQ(f.operation.body, "{\"v\":1}");
}

TEST_F(PipelineTest, ADocumentInAnotherIndexIsADeadLetter) {
  const Finished f = Deliver(
      Make("a", 1), R"({"index":{"_index":"i2","_id":"a","result":"created","status":201}})");
  EXPECT_EQ(f.outcome, FinalOutcome::kDead);
  EXPECT_EQ(f.error_type, "moved_by_pipeline");
}

TEST_F(PipelineTest, ARefusalIsSaidAsItIsWhereverItCameFrom) {
  delivery.Submit(Make("a", 1), now);
  const BulkBatch batch = Next();
  delivery.Complete(batch.id,
                    Http(200, R"({"errors":true,"items":[{"index":{"_index":"i2","status":400,)"
                              R"("error":{"type":"mapper_parsing_exception","reason":"r"}}}]})"),
                    now);
  EXPECT_EQ(delivery.TakeFinished().at(0).error_type, "mapper_parsing_exception");
}

TEST_F(PipelineTest, WhatIsWhereItWasSentIsDelivered) {
  EXPECT_EQ(
      Deliver(Make("a", 1), R"({"index":{"_index":"i1","result":"updated","status":200}})").outcome,
      FinalOutcome::kOk);
  EXPECT_EQ(
      Deliver(MakeDelete("a", 2), R"({"delete":{"_index":"i1","result":"not_found","status":404}})")
          .outcome,
      FinalOutcome::kOk);
  EXPECT_EQ(Deliver(Make("a", 3), R"({"index":{"status":200}})").outcome, FinalOutcome::kOk)
      << "a proxy may have left it out";
}

}  // namespace
}  // namespace polyglot::core
