#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <memory>
#include <string>

#include "cli/context.h"
#include "cli/labels.h"
#include "cli/traits.h"
#include "cli/work_actions.h"

namespace vigil::client {
namespace {

using Action = int (*)(const Context&, const WorkOptions&);

// A command of `vigil work`, and where its options go.
struct Command {
  CLI::App* app;
  std::shared_ptr<WorkOptions> options;
};

Command AddCommand(CLI::App& work, Context& context, const char* name, const char* help,
                   Action action) {
  auto options = std::make_shared<WorkOptions>();
  CLI::App* command = work.add_subcommand(name, help)->fallthrough();
  command->callback([&context, options, action] {
    context.action = [&context, options, action] { return action(context, *options); };
  });
  return {command, options};
}

CLI::Option* AddKey(const Command& command) {
  return command.app->add_option("key", command.options->key, "The item's key")
      ->envname("VIGIL_WORK_KEY");
}

CLI::Option* AddFence(const Command& command) {
  return command.app
      ->add_option("--fence", command.options->fence, "The fence with which the caller owns it")
      ->envname("VIGIL_FENCE");
}

Command AddOwnerCommand(CLI::App& work, Context& context, const char* name, const char* help,
                        Action action) {
  Command command = AddCommand(work, context, name, help, action);
  AddKey(command)->required();
  command.options->caller.AddOptions(*command.app);
  AddFence(command)->required();
  return command;
}

void AddChoice(const Command& command) {
  WorkChoice& choice = command.options->choice;
  command.app
      ->add_option("--kind", choice.kinds,
                   "Only items of this kind; several times, or with commas, for several kinds")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("KIND");
  AddLabels(*command.app, choice.labels,
            "Only items with this label; several times for several labels");
}

void AddReaders(CLI::App& work, Context& context) {
  const Command list =
      AddCommand(work, context, "list", "Lists the items that are not completed", ListWork);
  list.app->add_option("--owner", list.options->owner, "Only those of this incarnation");
  CLI::Option* claimable =
      list.app->add_flag("--claimable", list.options->claimable, "Only orphans and released ones");
  list.app
      ->add_flag("--quarantined", list.options->quarantined,
                 "Only those whose owners kept dying or failing")
      ->excludes(claimable);
  list.app->add_flag("--all", list.options->all, "Also the completed ones");
  AddChoice(list);

  const Command get = AddCommand(work, context, "get",
                                 "Shows one item, with its policy and its former owners", GetWork);
  AddKey(get)->required();
}

void AddTakers(CLI::App& work, Context& context) {
  const Command start = AddCommand(
      work, context, "start",
      "Starts an item for the caller; exit code 4 when it is not the caller's then", StartWork);
  AddKey(start)->required();
  start.options->caller.AddOptions(*start.app);
  start.app->add_option("--payload", start.options->text,
                        "What a later owner needs to run it; - reads stdin");
  AddTraits(*start.app, start.options->traits);

  const Command claim = AddCommand(
      work, context, "claim",
      "Takes an orphan or a released item over; exit code 4 when the claim is lost", ClaimWork);
  AddKey(claim);
  claim.options->caller.AddOptions(*claim.app);
  const auto given = [options = claim.options](const std::string&) {
    options->expected_given = true;
    return std::string();
  };
  CLI::Option* owner =
      claim.app
          ->add_option("--expected-owner", claim.options->owner,
                       "Whom it must belong to, 0 for nobody; as it is now when not given")
          ->check(given, "");
  CLI::Option* fence = claim.app->add_option("--expected-fence", claim.options->fence,
                                             "The fence that it must have");
  owner->needs(fence);
  fence->needs(owner);
  CLI::Option* orphans = claim.app->add_flag(
      "--orphans", claim.options->orphans,
      "Take as many as --limit says, of those that are chosen, instead of one by its key");
  claim.app->add_option("--limit", claim.options->limit, "1 to 100")
      ->needs(orphans)
      ->check(CLI::Range(1, 100));
  AddChoice(claim);
}

void AddOwners(CLI::App& work, Context& context) {
  const Command complete = AddOwnerCommand(
      work, context, "complete", "Completes an item of the caller's, for ever", CompleteWork);
  complete.app->add_option("--result", complete.options->text, "What came of it; - reads stdin");

  const Command checkpoint =
      AddOwnerCommand(work, context, "checkpoint", "Notes how far an item of the caller's has come",
                      CheckpointWork);
  checkpoint.app
      ->add_option("--checkpoint", checkpoint.options->text,
                   "What the next owner needs to go on; - reads stdin")
      ->required();

  const Command fail = AddOwnerCommand(work, context, "fail",
                                       "Gives an item up because it could not be done", FailWork);
  fail.app->add_option("--reason", fail.options->reason, "Why, for people; the item keeps it")
      ->required();

  const Command transfer =
      AddOwnerCommand(work, context, "transfer",
                      "Gives an item of the caller's to another living pod", TransferWork);
  transfer.app->add_option("--to", transfer.options->to, "The pod's name")
      ->required()
      ->type_name("POD");

  const Command release =
      AddCommand(work, context, "release",
                 "Gives an item of the caller's up, or puts one back that nobody has", ReleaseWork);
  AddKey(release)->required();
  release.options->caller.AddOptions(*release.app);
  AddFence(release);
  release.app->add_flag(
      "--quarantined,--orphan", release.options->quarantined,
      "Put a quarantined item, or an orphan, back among those that may be claimed; needs no "
      "caller, and no fence");
}

}  // namespace

void AddWorkCommand(CLI::App& app, Context& context) {
  CLI::App* work = app.add_subcommand("work", "The work items of a namespace")
                       ->require_subcommand(1)
                       ->fallthrough();
  work->footer(
      "Under `vigil run` the key, the fence and the caller come from the environment: a command "
      "notes its progress with\n"
      "  vigil work checkpoint --checkpoint \"$n\"");
  AddReaders(*work, context);
  AddTakers(*work, context);
  AddOwners(*work, context);
}

}  // namespace vigil::client
