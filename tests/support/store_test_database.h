// A migrated Postgres database of a test's own.
#pragma once

#include <string>

#include "core/types.h"
#include "pg/private_cluster.h"

namespace vigil {

// The cluster of this process: fsync off, started when first asked for, gone with the process.
// Fails a check when there is no Postgres on the machine.
pg::PrivateCluster& TestCluster();

// Made from a template that is migrated once per process, and dropped with the object.
class TestDatabase {
 public:
  TestDatabase();
  ~TestDatabase();
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  const std::string& name() const { return name_; }
  std::string conninfo() const { return TestCluster().Conninfo(name_); }

 private:
  std::string name_;
};

// Runs SQL of several statements in a session of its own. Fails the test when it cannot.
void RunAsSuperuser(const std::string& conninfo, const std::string& sql);

// Takes the events after `head` from the log of a namespace.
void LoseEvents(const TestDatabase& database, const std::string& ns, Seq head);

// Makes all that was written until now older by so much.
void Age(const TestDatabase& database, Duration by);

// Makes a role that may use our tables and nothing else; its password is its name. The conninfo
// with which it comes to the database.
std::string MakePlainRole(const TestDatabase& database, const std::string& role);

}  // namespace vigil
