// The file of grants, and the table of what each role may call.
#include "access/rights.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>

#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "access/grants.h"
#include "vigil/v1/pod_event_service.pb.h"
#include "vigil/v1/pod_registry_service.pb.h"
#include "vigil/v1/work_service.pb.h"

namespace vigil {
namespace {

using ::testing::HasSubstr;

TEST(Grants, LinesOfAnIdentityAddUp) {
  const auto grants = Grants::Parse(
      "# who may what\n"
      "web   shop  member,claimer\n"
      "web   shop  subscriber\n"
      "web   *     read-only   # everywhere\n"
      "spiffe://example/ops * operator\n");
  ASSERT_TRUE(grants) << grants.error().message;
  EXPECT_EQ(grants->size(), 4U);
  EXPECT_EQ(grants->RolesOf("web", "shop"),
            Role::kMember | Role::kClaimer | Role::kSubscriber | Role::kReadOnly);
  EXPECT_EQ(grants->RolesOf("web", "other"), Roles(Role::kReadOnly));
  EXPECT_EQ(grants->RolesOf("spiffe://example/ops", "shop"), Roles(Role::kOperator));
  EXPECT_EQ(grants->RolesOf("we", "shop"), Roles());
  EXPECT_EQ(grants->RolesOf("", "shop"), Roles());
}

TEST(Grants, AMistakeNamesTheLine) {
  for (const char* wrong :
       {"web shop", "web shop member extra", "web shop owner", "web shop member,", "web shop ,",
        "web shop member,,claimer", "web sh/op member", "* shop member", "web ** member"}) {
    const auto grants = Grants::Parse(std::string("web shop member\n") + wrong);
    ASSERT_FALSE(grants) << wrong;
    EXPECT_THAT(grants.error().message, HasSubstr("line 2: ")) << wrong;
  }
}

// The chart's schema is held to the same list.
TEST(Grants, NameEveryIdentityThatMayBeNamedAndNoOther) {
  std::ifstream file(VIGIL_SOURCE_DIR "/tests/unit/access/identities.json");
  const auto identities = nlohmann::json::parse(file);
  const auto granted = [](const nlohmann::json& row) {
    std::string identity;
    for (int left = row.value("times", 1); left > 0; --left) {
      identity += row.at("text").get<std::string>();
    }
    const auto grants = Grants::Parse(identity + " shop member\n");
    return grants && grants->RolesOf(identity, "shop") == Roles(Role::kMember);
  };
  for (const auto& row : identities.at("good")) EXPECT_TRUE(granted(row)) << row;
  for (const auto& row : identities.at("bad")) EXPECT_FALSE(granted(row)) << row;
}

// What each role may call, once more in other words than the table's.
TEST(Rights, EachRoleMayCallWhatItIsFor) {
  const std::set<std::string> pods{"GetPod", "ListPods"};
  const std::set<std::string> work{"StartWork", "CheckpointWork", "CompleteWork", "ReleaseWork",
                                   "FailWork",  "TransferWork",   "ClaimWork",    "ClaimOrphans"};
  const std::set<std::string> items{"GetWork", "ListWork"};
  const auto all = [](std::initializer_list<std::set<std::string>> sets) {
    std::set<std::string> united;
    for (const auto& set : sets) united.insert(set.begin(), set.end());
    return united;
  };
  const std::map<Role, std::set<std::string>> expected = {
      {Role::kMember, all({{"Session"}, pods, items})},
      {Role::kSubscriber, all({{"Subscribe"}, pods})},
      {Role::kClaimer, all({work, pods, items})},
      {Role::kReadOnly, all({{"Subscribe"}, pods, items})},
      {Role::kOperator,
       all({{"Session"}, {"Subscribe"}, {"ReleaseQuarantinedWork"}, pods, work, items})}};
  for (const auto& [role, may] : expected) {
    std::set<std::string> found;
    for (const Right& right : Rights()) {
      const std::string name(right.name.substr(right.name.find('/') + 1));
      if (right.roles.Has(role)) found.insert(name);
      EXPECT_NE(right.roles, Roles()) << name << " may be called by nobody";
      EXPECT_EQ(&RightOf(right.rpc), &right);
    }
    EXPECT_EQ(found, may) << Names(Roles(role));
  }
}

// A new rpc has no rights before somebody has thought about them.
TEST(Rights, EveryRpcOfTheContractHasARow) {
  std::set<std::string> contract;
  for (const auto* file :
       {v1::GetPodRequest::descriptor()->file(), v1::SubscribeRequest::descriptor()->file(),
        v1::GetWorkRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        contract.insert(file->service(i)->full_name() + "/" + file->service(i)->method(j)->name());
      }
    }
  }
  std::set<std::string> table;
  for (const Right& right : Rights()) table.emplace(right.name);
  EXPECT_EQ(table, contract);
}

TEST(Rights, RolesHaveTheirNames) {
  for (const char* name : {"member", "subscriber", "claimer", "operator", "read-only"}) {
    const auto role = RoleFrom(name);
    ASSERT_TRUE(role) << name;
    EXPECT_EQ(Names(Roles(*role)), name);
  }
  EXPECT_FALSE(RoleFrom("Member"));
  EXPECT_FALSE(RoleFrom(""));
  EXPECT_EQ(Names(Role::kMember | Role::kOperator), "member, operator");
}

}  // namespace
}  // namespace vigil
