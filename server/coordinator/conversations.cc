#include "coordinator/conversations.h"

#include <utility>
#include <vector>

#include "base/log.h"
#include "coordinator/awaited.h"
#include "core/errors.h"
#include "core/session_token.h"

namespace vigil {
namespace {

log::Field Describe(const Pod& pod) { return {"pod", pod.ns + "/" + pod.name}; }

}  // namespace

void Conversations::Opened(const Stream& stream) {
  Conversation& conversation = conversations_[stream];
  if (conversations_.size() > 2 * settings_.max_pods) {
    Finish(stream, LimitReached("max-pods", "this coordinator has too many open streams"));
    return;
  }
  conversation.timer = env_.scheduler.After(settings_.first_message_deadline, [this, stream] {
    Finish(stream, StreamIdle("no Register or Resume came in time"));
  });
}

void Conversations::Received(const Stream& stream, const PodMessage& message) {
  const auto found = conversations_.find(stream);
  if (found == conversations_.end()) return;
  Conversation& conversation = found->second;
  using Phase = Conversation::Phase;
  if (conversation.phase == Phase::kOver || conversation.phase == Phase::kLeaving) return;
  const bool opens = std::holds_alternative<RegisterMessage>(message) ||
                     std::holds_alternative<ResumeMessage>(message);
  if (opens && conversation.phase != Phase::kNew) {
    Refused(stream, ProtocolViolation("Register or Resume came twice on one stream"));
  } else if (!opens && conversation.phase != Phase::kHosting) {
    Refused(stream, ProtocolViolation("the stream is not registered yet"));
  } else if (const auto* registration = std::get_if<RegisterMessage>(&message)) {
    BeginRegister(stream, *registration);
  } else if (const auto* resume = std::get_if<ResumeMessage>(&message)) {
    BeginResume(stream, *resume);
  } else if (const auto* heartbeat = std::get_if<HeartbeatMessage>(&message)) {
    env_.hosted.Heartbeat(conversation.session, heartbeat->number);
  } else if (std::holds_alternative<LeaveMessage>(message)) {
    BeginLeave(stream, conversation);
  } else {
    env_.hosted.Detached(conversation.session);
    Finish(stream, std::nullopt);
  }
}

void Conversations::Refused(const Stream& stream, Error error) {
  const auto found = conversations_.find(stream);
  if (found == conversations_.end()) return;
  const SessionNumber session = found->second.session;
  Finish(stream, std::move(error));
  // Our own closing is no strong evidence.
  env_.hosted.LetGo(session, std::nullopt);
}

void Conversations::Ended(const Stream& stream) {
  const auto found = conversations_.find(stream);
  if (found == conversations_.end()) return;
  const bool hosting = found->second.phase == Conversation::Phase::kHosting;
  const SessionNumber session = found->second.session;
  conversations_.erase(found);
  if (hosting) env_.hosted.StreamEnded(session);
}

void Conversations::Finish(const Stream& stream, std::optional<Error> error) {
  const auto found = conversations_.find(stream);
  if (found == conversations_.end() || found->second.phase == Conversation::Phase::kOver) return;
  found->second.phase = Conversation::Phase::kOver;
  found->second.awaits = nullptr;
  found->second.timer = nullptr;
  stream->End(std::move(error));
}

bool Conversations::WelcomesPods() const {
  return !draining_ && env_.link.Sound(env_.clock.Now()) && !NoRoomForMoved();
}

std::optional<Error> Conversations::NoRoomForMoved() const {
  const auto full = HostsAsManyAsItMay();
  return full ? full : env_.lock_table.RefusesMoved();
}

std::optional<Error> Conversations::NoRoomForNew() const {
  const auto full = HostsAsManyAsItMay();
  return full ? full : env_.lock_table.RefusesNew();
}

std::optional<Error> Conversations::HostsAsManyAsItMay() const {
  if (env_.hosted.size() < settings_.max_pods) return std::nullopt;
  return LimitReached("max-pods", "this coordinator hosts as many pods as it may");
}

std::optional<Error> Conversations::RefusesNewPods() const {
  if (draining_) return CoordinatorDraining();
  if (env_.link.Degraded(env_.clock.Now())) {
    return CoordinatorUntrusted("this coordinator's link to the database is not proven");
  }
  return HostsAsManyAsItMay();
}

Conversations::Conversation* Conversations::Opening(const Stream& stream) {
  const auto found = conversations_.find(stream);
  if (found == conversations_.end()) return nullptr;
  return found->second.phase == Conversation::Phase::kOpening ? &found->second : nullptr;
}

void Conversations::WithLock(const Stream& stream, std::function<void(SessionNumber)> then) {
  if (auto refusal = RefusesNewPods()) {
    Finish(stream, std::move(*refusal));
    return;
  }
  if (auto full = env_.lock_table.RefusesMoved()) {
    Finish(stream, std::move(*full));
    return;
  }
  env_.liveness.Issue([this, stream, then = std::move(then)](Result<SessionNumber> issued) {
    if (issued) env_.lock_table.Took();
    if (issued && Opening(stream)) {
      then(*issued);
    } else if (issued) {
      env_.liveness.Release(*issued);
    } else if (Opening(stream)) {
      Finish(stream, std::move(issued.error()));
    }
  });
}

bool Conversations::Host(const Stream& stream, const Pod& pod) {
  env_.committed();
  Conversation* conversation = Opening(stream);
  if (!pod.coordinator || pod.coordinator != env_.membership.number()) {
    // Others gave this coordinator up meanwhile. That the session is taken would be told to the
    // number in the row, and so to nobody.
    env_.liveness.Release(pod.session);
    if (conversation) {
      Finish(stream, CoordinatorUntrusted("other coordinators have given this one up"));
    }
    return false;
  }
  if (conversation) {
    conversation->phase = Conversation::Phase::kHosting;
    conversation->awaits = nullptr;
    conversation->session = pod.session;
  }
  env_.hosted.Host(pod, conversation ? stream : nullptr, env_.clock.Now());
  return conversation != nullptr;
}

TellRefuted Conversations::CountRefuted() const {
  return [&measures = env_.measures](Duration stood) { measures.Refuted(stood); };
}

// --- Register

void Conversations::BeginRegister(const Stream& stream, const RegisterMessage& message) {
  Conversation& conversation = conversations_.at(stream);
  conversation.phase = Conversation::Phase::kOpening;
  conversation.timer = nullptr;
  conversation.name_deadline = env_.clock.Now() + message.wait_for_name;
  if (auto full = env_.lock_table.RefusesNew()) {
    Finish(stream, std::move(*full));
    return;
  }
  WithLock(stream, [this, stream, message](SessionNumber session) {
    TryRegister(stream, message, session);
  });
}

NewPod Conversations::Newcomer(const RegisterMessage& message, SessionNumber session) const {
  return {.ns = message.ns,
          .name = message.name,
          .registration_id = message.registration_id,
          .session_token = Bound(env_.make_token(), message.binding),
          .profile = message.profile,
          .lease = message.lease.value_or(settings_.timing.default_lease),
          .labels = message.labels,
          .supersede_key = message.supersede_key,
          .coordinator = env_.membership.number(),
          .session = session,
          .may_claim = message.may_claim};
}

void Conversations::TryRegister(const Stream& stream, const RegisterMessage& message,
                                SessionNumber session) {
  registrations_.Add(Newcomer(message, session), conversations_.at(stream).awaits,
                     [this, stream, message, session](Result<RegisterOutcome> outcome) {
                       TriedToRegister(stream, message, session, std::move(outcome));
                     });
}

void Conversations::TriedToRegister(const Stream& stream, const RegisterMessage& message,
                                    SessionNumber session, Result<RegisterOutcome> outcome) {
  if (!outcome) {
    env_.liveness.Release(session);
    if (Opening(stream)) Finish(stream, std::move(outcome.error()));
    return;
  }
  if (auto* registered = std::get_if<Registered>(&*outcome)) {
    HostRegistered(stream, std::move(*registered));
    return;
  }
  const Incarnation incumbent = std::get<NameTaken>(*outcome).incumbent;
  Conversation* conversation = Opening(stream);
  if (conversation && !message.supersede_key.empty() &&
      !std::exchange(conversation->tried_to_supersede, true)) {
    TrySupersede(stream, message, session, incumbent);
    return;
  }
  env_.liveness.Release(session);
  if (conversation) NameIsTaken(stream, message, incumbent);
}

void Conversations::TrySupersede(const Stream& stream, const RegisterMessage& message,
                                 SessionNumber session, Incarnation incumbent) {
  using Outcome = std::optional<Registered>;
  AskAwaited<Outcome>(
      env_.sessions, env_.scheduler, conversations_.at(stream).awaits,
      [pod = Newcomer(message, session), incumbent](Store& store) {
        return store.Supersede(pod, incumbent);
      },
      [this, stream, message, session, incumbent](Result<Outcome> outcome) {
        if (outcome && *outcome) {
          const Pod& pod = (*outcome)->pod;
          env_.measures.Died(Cause::kSuperseded, {});
          log::Info("Superseded.",
                    {Describe(pod), {"incarnation", incumbent}, {"by", pod.incarnation}});
          env_.hosted.Superseded(incumbent);
          env_.assigner.Look(pod.ns);
          HostRegistered(stream, std::move(**outcome));
        } else if (outcome && Opening(stream)) {
          // The incumbent does not allow it, or another newcomer was first: look again.
          TryRegister(stream, message, session);
        } else {
          env_.liveness.Release(session);
          if (Opening(stream)) Finish(stream, std::move(outcome.error()));
        }
      });
}

void Conversations::HostRegistered(const Stream& stream, Registered registered) {
  log::Info("Registered.", {Describe(registered.pod),
                            {"incarnation", registered.pod.incarnation},
                            {"session", registered.pod.session}});
  if (!Host(stream, registered.pod)) return;
  const LeaseTerms terms = TermsFor(registered.pod.lease);
  stream->Send(RegisteredAnswer{std::move(registered.pod), std::move(registered.session_token),
                                terms, std::move(registered.predecessors_work)});
}

void Conversations::NameIsTaken(const Stream& stream, const RegisterMessage& message,
                                Incarnation incumbent) {
  Conversation& conversation = conversations_.at(stream);
  if (env_.clock.Now() >= conversation.name_deadline) {
    Finish(stream, PodNameTaken(message.name, incumbent));
    return;
  }
  // Again and again: a pod that hears nothing asks another coordinator.
  stream->Send(WaitingAnswer{incumbent});
  conversation.timer =
      env_.scheduler.After(settings_.timing.probe_interval / 2, [this, stream, message] {
        WithLock(stream, [this, stream, message](SessionNumber session) {
          TryRegister(stream, message, session);
        });
      });
}

// --- Resume and leave

void Conversations::BeginResume(const Stream& stream, const ResumeMessage& message) {
  Conversation& conversation = conversations_.at(stream);
  conversation.phase = Conversation::Phase::kOpening;
  conversation.timer = nullptr;
  WithLock(stream, [this, stream, message](SessionNumber session) {
    resumes_.Add({message.ns, message.incarnation, message.session_token, env_.membership.number(),
                  session, message.may_claim},
                 conversations_.at(stream).awaits, [this, stream, session](Result<Pod> resumed) {
                   TriedToResume(stream, session, std::move(resumed));
                 });
  });
}

void Conversations::TriedToResume(const Stream& stream, SessionNumber session,
                                  Result<Pod> resumed) {
  if (!resumed) {
    env_.liveness.Release(session);
    if (Opening(stream)) Finish(stream, std::move(resumed.error()));
    return;
  }
  log::Info("Resumed.",
            {Describe(*resumed), {"incarnation", resumed->incarnation}, {"session", session}});
  if (!Host(stream, *resumed)) return;
  const LeaseTerms terms = TermsFor(resumed->lease);
  stream->Send(ResumedAnswer{std::move(*resumed), terms});
}

void Conversations::BeginLeave(const Stream& stream, Conversation& conversation) {
  const auto pod = env_.hosted.PodOf(conversation.session);
  if (!pod) return;  // Its verdict is on the way to the stream.
  conversation.phase = Conversation::Phase::kLeaving;
  Ask<void>(
      env_.sessions, env_.scheduler,
      [pod = *pod](Store& store) { return store.Leave(pod.ns, pod.pod); },
      [this, stream, ns = pod->ns, session = conversation.session](Result<void> left) {
        if (!left) {
          // The lease still watches over the session, for a pod that does not try again.
          Finish(stream, std::move(left.error()));
          return;
        }
        env_.committed();
        env_.assigner.Look(ns);
        stream->Send(LeftAnswer{});
        Finish(stream, std::nullopt);
        env_.hosted.Left(session);
      });
}

void Conversations::Drain() {
  draining_ = true;
  std::vector<Stream> opening;
  for (const auto& [stream, conversation] : conversations_) {
    using Phase = Conversation::Phase;
    if (conversation.phase == Phase::kNew || conversation.phase == Phase::kOpening) {
      opening.push_back(stream);
    }
  }
  for (const Stream& stream : opening) Finish(stream, CoordinatorDraining());
}

}  // namespace vigil
