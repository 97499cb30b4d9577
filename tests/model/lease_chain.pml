/* The lease chain of one STRICT pod, two coordinators and one Postgres, for spin.

   What it shows, and which code each part stands for, is in README.md beside it. tests/model/check.py gives the
   constants in ticks, worked out from server/core/timing.h:

     TRUST, LEASE  T and L, at their longest
     GRACE, WAIT   the grace, and a host's wait after its last grant, at their shortest

   One of three settings: MOVES (every fault, and the pod moves), OBSERVERS (two observers that may be unsound; the pod
   stays) and OUTAGE (the only fault is one outage, and nobody dawdles). Every other flag is a mutant.

   A timer counts the ticks that are left of what it stands for. What a coordinator, Postgres or the network does is one
   indivisible step, as it is one transaction or one message; between steps anything may happen, and any time may
   pass, so a coordinator that is frozen or cut off is one that takes no step. */

#define A 0
#define B 1
#define NOBODY 2

/* Which session the pod's row names: the one that c hosts, the one that c is opening, or one whose lock is let go. */
#define HOSTED(c) (c)
#define OPENING(c) (2 + (c))
#define FORGOTTEN 4

/* A session's lock. One that was taken again counts when the suspicion is refuted. */
#define LOST 0
#define TAKEN 1
#define CONFIRMED 2

/* How far a resume has come in its coordinator. */
#define IDLE 0
#define ASKED 1
#define ISSUED 2
#define COMMITTED 3

/* The weak suspicion. */
#define NONE 0
#define STANDING 1
#define OF_ANOTHER_IDENTITY 2

/* What pan prints of a broken promise ends with its number; check.py reads it there. */
#define promise(number, holds) assert((holds) || number == 0)

/* What must be reachable, or nothing would have been shown: with -DSEEN=n pan has to find it. */
#ifdef SEEN
#define seen(number, what) assert(!(what) || number != SEEN)
#else
#define seen(number, what) skip
#endif

#define older(timer) timer = (timer > 0 -> timer - 1 : 0)

/* A window of n ticks holds n ticks later, too, and not n + 1: whatever may happen at the very end of it, does. */
#ifdef OUTAGE
#define WINDOW (SURE_TRUST + 1)
#define FAULTS 0
#define PROMPT 1
#define UP up
#else
#define WINDOW (TRUST + 1)
#define FAULTS 1
#define PROMPT 0
#define UP 1
#endif

#ifdef SHORT_GRACE
#undef GRACE
#define GRACE GRACE_WITHOUT_RATES
#endif

#ifdef NO_WAIT
#undef WAIT
#define WAIT 0
#endif

/* --- Postgres */

byte current = HOSTED(A);
bool dead;
byte suspicion;
bool up = 1;
bool returned;    /* OUTAGE: the one outage is over */
byte outage_left;
byte after_return; /* what is left of a full grace after a return that found this suspicion standing */

/* --- coordinators */

bool own[2] = { 1, 1 }; /* its own lock is held by its own session, and its row is ALIVE */
bool hosts[2];
byte lock[2];           /* of the hosted session */
byte trust[2];          /* in the hosted session */
byte wait[2];           /* until its last grant has surely ended */
bool heard[2];          /* the pod has spoken in the hosted session */
bool condemned[2];
byte opening[2];
byte opening_lock[2];
byte opening_trust[2];
bool late[2];           /* a session with a larger number has been committed */
bool unasked[2];        /* the pod does not wait for it any more */
bool younger;           /* of two issued sessions, whose number is larger */
bool late_ping[2];

/* --- observers */

bool knows[2];          /* it has read the suspicion that stands */
byte grace[2];

/* --- the pod */

byte lease = LEASE;
bool lost;
byte stream = A;
bool attached = 1;      /* the stream is that of the session that its coordinator hosts */
byte asked = NOBODY;
byte asked_lease;       /* what a Resumed would grant */
byte answer;            /* an answered heartbeat on its way: 1 + what it grants */
bool spoke;             /* OUTAGE: in this tick */

#define HELD_BY(c) ((current == HOSTED(c) && lock[c] != LOST) || (current == OPENING(c) && opening_lock[c] != LOST))
#define FREE (!HELD_BY(A) && !HELD_BY(B))

/* --- what is due or broken under a mutant */

#ifdef SILENCE_OF_A_STRANGER
#define CONFIRMED_SESSION(c) 1
#else
#define CONFIRMED_SESSION(c) heard[c]
#endif

#ifdef DIES_TWICE
#define LIVES 1
#else
#define LIVES !dead
#endif

#ifdef VERDICT_OF_AN_OLD_SESSION
#define STILL_HOSTED(c) 1
#else
#define STILL_HOSTED(c) (current == HOSTED(c))
#endif

#ifdef VERDICT_WITHOUT_THE_LOCK
#define FREE_IN_THE_VERDICT 1
#else
#define FREE_IN_THE_VERDICT FREE
#endif

#ifdef UNSOUND_OBSERVER
#define SOUND(c) 1
#else
#define SOUND(c) own[c]
#endif

#ifdef DEATH_ON_A_FREE_LOCK
#define DUE(c) 1
#else
#define DUE(c) (suspicion == STANDING && knows[c] && grace[c] == 0)
#endif

#ifdef TRUST_WITHOUT_RENEWAL
#define RENEWED(session) 1
#else
#define RENEWED(session) (current == session)
#endif

/* --- one step of Postgres within those of others */

inline ForgetReadings() {
  knows[A] = 0; grace[A] = 0;
  knows[B] = 0; grace[B] = 0;
  after_return = 0
}

inline Refuted() {
#ifdef SUSPICION_OUTLIVES_REFUTATION
  skip
#else
  seen(1, suspicion != NONE);
  suspicion = NONE;
  ForgetReadings()
#endif
}

inline Die() {
  promise(2, !dead);
  promise(7, lost || lease == 0);
  promise(9, FAULTS);
  dead = 1;
  suspicion = NONE;
  ForgetReadings()
}

/* --- what others do within a step */

inline Extend(until) {
  if
  :: until > lease -> promise(7, !dead); lease = until
  :: else
  fi
}

inline EndStream() { stream = NOBODY; attached = 0; answer = 0 }
inline Answered(c) {
  if
  :: !unasked[c] -> asked = NOBODY; asked_lease = 0
  :: else
  fi
}
inline GiveUpAsking() { unasked[asked] = 1; asked = NOBODY; asked_lease = 0; EndStream() }

inline EndOpening(c) {
  if
  :: current == OPENING(c) -> current = FORGOTTEN
  :: else
  fi;
  opening[c] = IDLE; opening_lock[c] = LOST; opening_trust[c] = 0;
  late[c] = 0; unasked[c] = 0; younger = 0
}

inline LetGo(c) {
  if
  :: current == HOSTED(c) -> current = FORGOTTEN
  :: else
  fi;
  if
  :: stream == c -> attached = 0
  :: else
  fi;
  hosts[c] = 0; lock[c] = LOST; trust[c] = 0; wait[c] = 0; heard[c] = 0; condemned[c] = 0; late_ping[c] = 0
}

/* Sessions that can do nothing any more, for good or ill, are let go at once: fewer states, and the same behaviour. */
inline Tidy(c) {
#ifndef VERDICT_OF_AN_OLD_SESSION
  if
  :: hosts[c] && current != HOSTED(c) && !(attached && stream == c) -> LetGo(c)
  :: else
  fi;
#endif
  if
  :: opening[c] == COMMITTED && current != OPENING(c) && unasked[c] -> EndOpening(c)
  :: else
  fi
}

proctype Coordinator(byte c) {
  do
  /* Its liveness session ends, and with it the locks. */
  :: d_step { FAULTS && (lock[c] != LOST || opening_lock[c] != LOST) ->
       late_ping[c] = (lock[c] == CONFIRMED);
       lock[c] = LOST; opening_lock[c] = LOST
#ifndef TRUST_FROM_THE_ANSWER
       ; late_ping[c] = 0  /* An answer that comes later proves nothing that is not counted already. */
#endif
     }
  :: d_step { late_ping[c] -> late_ping[c] = 0; trust[c] = WINDOW }

  /* A new one takes them again. */
  :: d_step { UP && hosts[c] && lock[c] == LOST ->
#ifdef TRUST_BEFORE_REFUTATION
       lock[c] = CONFIRMED; trust[c] = WINDOW
#else
       lock[c] = TAKEN
#endif
     }
  :: d_step { UP && opening[c] >= ISSUED && opening_lock[c] == LOST ->
#ifdef TRUST_BEFORE_HOSTING
       opening_lock[c] = CONFIRMED; opening_trust[c] = WINDOW
#else
       opening_lock[c] = TAKEN
#endif
     }
  :: d_step { UP && lock[c] == TAKEN ->
       if
       :: current == HOSTED(c) && !dead -> Refuted(); lock[c] = CONFIRMED; trust[c] = WINDOW
       :: else -> LetGo(c); Tidy(c)
       fi
     }

  /* A heartbeat is answered. */
  :: d_step { !lost && stream == c && attached && asked == NOBODY && answer == 0 && !spoke ->
       heard[c] = 1; spoke = PROMPT;
       if
       :: !condemned[c] && trust[c] > 0 -> answer = 1 + LEASE; wait[c] = WAIT; seen(5, !up && outage_left == 0)
       :: else
       fi
     }

  /* The stream of a confirmed session ends, or it is silent: inside the trust window, strong evidence. */
  :: d_step { FAULTS && hosts[c] && !condemned[c] && trust[c] > 0 && CONFIRMED_SESSION(c) -> condemned[c] = 1 }
  :: d_step { condemned[c] && wait[c] == 0 ->
       if
       :: STILL_HOSTED(c) && LIVES -> promise(1, current == HOSTED(c)); Die(); seen(2, 1)
       :: else
       fi;
       LetGo(c); Tidy(c)
     }

  /* Otherwise, or when it drains, stops or hears that the session was taken, it lets the session go. */
  :: d_step { hosts[c] && (FAULTS || current != HOSTED(c)) -> LetGo(c); Tidy(c) }

  /* A resume: refused; numbered and locked; committed; answered. */
  :: d_step { (opening[c] == ASKED || opening[c] == ISSUED) && (FAULTS || !UP) -> Answered(c); EndOpening(c) }
  :: d_step { UP && opening[c] == ASKED ->
       opening[c] = ISSUED; opening_lock[c] = CONFIRMED; opening_trust[c] = WINDOW;
       younger = (opening[1 - c] == ISSUED -> c : 0)
     }
  :: d_step { UP && opening[c] == ISSUED ->
       if
       :: dead || late[c] ->
          if
          :: !unasked[c] -> EndStream()
          :: else
          fi;
          Answered(c); EndOpening(c)
       :: else ->
          current = OPENING(c); opening[c] = COMMITTED;
          Refuted();
          if
          :: opening[1 - c] == ISSUED && younger == c -> late[1 - c] = 1
          :: else
          fi;
          younger = 0
       fi;
       Tidy(A); Tidy(B)
     }
  :: d_step { opening[c] == COMMITTED ->
       LetGo(c);
       hosts[c] = 1; wait[c] = WAIT; trust[c] = opening_trust[c]; lock[c] = opening_lock[c];
       if
       :: current == OPENING(c) -> current = HOSTED(c)
       :: else
       fi;
       if
       :: !unasked[c] -> EndStream(); stream = c; attached = 1; Extend(asked_lease); Answered(c); seen(4, c == B)
       :: else
       fi;
       EndOpening(c); Tidy(A); Tidy(B)
     }
  /* The commit's outcome stays unknown. */
  :: d_step { FAULTS && opening[c] == COMMITTED ->
       if
       :: !unasked[c] -> EndStream()
       :: else
       fi;
       Answered(c); EndOpening(c); Tidy(A); Tidy(B)
     }
  /* It begins to drain, and says so to a pod whose resume it commits all the same. */
  :: d_step { FAULTS && (opening[c] == ISSUED || opening[c] == COMMITTED) && !unasked[c] ->
       Answered(c); unasked[c] = 1; Tidy(c)
     }
  od
}

proctype Observer(byte c) {
  do
#ifdef OBSERVERS
  :: d_step { own[c] -> own[c] = 0 }
  :: d_step { !own[c] -> own[c] = 1 }
#endif
  :: d_step { UP && SOUND(c) && LIVES && FREE && suspicion != STANDING -> suspicion = STANDING; ForgetReadings() }
  :: d_step { UP && SOUND(c) && FREE && suspicion == STANDING && !knows[c] -> knows[c] = 1; grace[c] = GRACE }
  :: d_step { UP && SOUND(c) && LIVES && FREE_IN_THE_VERDICT && DUE(c) ->
       promise(10, own[c]);
       promise(1, FREE);
       promise(9, after_return == 0);
       Die();
       seen(3, 1)
     }
  od
}

proctype Pod() {
  do
  :: d_step { answer > 0 ->
#ifdef LEASE_FROM_THE_ANSWER
       Extend(LEASE);
#else
       Extend(answer - 1);
#endif
       answer = 0
     }
  :: d_step { FAULTS && answer > 0 -> answer = 0 }
  :: d_step { FAULTS && stream != NOBODY -> EndStream(); Tidy(A); Tidy(B) }
#ifndef OBSERVERS
  /* It asks another coordinator, or any when it has none. One resume of the pod's at a time in each coordinator. */
  :: d_step { !lost && asked == NOBODY && stream != A && opening[A] == IDLE ->
       asked = A; asked_lease = LEASE; opening[A] = ASKED
     }
  :: d_step { !lost && asked == NOBODY && stream != B && opening[B] == IDLE ->
       asked = B; asked_lease = LEASE; opening[B] = ASKED
     }
  :: d_step { FAULTS && asked != NOBODY -> GiveUpAsking(); Tidy(A); Tidy(B) }
#endif
  od
}

/* A restart or a failover: every session of the server's ends, and its identity is another one. */
inline ServerEnds() {
  lock[A] = LOST; opening_lock[A] = LOST;
  lock[B] = LOST; opening_lock[B] = LOST;
#ifdef OBSERVERS
  own[A] = 0; own[B] = 0;
#endif
#ifdef TRUST_ENDS_WITH_THE_SESSION
  trust[A] = 0; trust[B] = 0;
#endif
#ifdef NO_IDENTITY
  after_return = (suspicion == STANDING -> GRACE : 0)
#else
  if
  :: suspicion == STANDING -> suspicion = OF_ANOTHER_IDENTITY; ForgetReadings()
  :: else
  fi
#endif
}

proctype Postgres() {
  do
#ifdef OUTAGE
  :: d_step { up && !returned -> up = 0; outage_left = OUTAGE_TICKS; ServerEnds() }
  :: d_step { !up -> up = 1; returned = 1; outage_left = 0 }
#else
  :: d_step { lock[A] != LOST || lock[B] != LOST || opening_lock[A] != LOST || opening_lock[B] != LOST ||
              suspicion == STANDING -> ServerEnds() }
#endif
  od
}

inline Age(c) {
  if
  :: lock[c] == CONFIRMED && RENEWED(HOSTED(c))
  :: else -> older(trust[c])
  fi;
  if
  :: opening_lock[c] == CONFIRMED && (opening[c] == ISSUED || RENEWED(OPENING(c)))
  :: else -> older(opening_trust[c])
  fi;
  older(wait[c]);
  older(grace[c])
}

/* In OUTAGE nobody dawdles for a tick: the pod has been answered, and what was lost is there again. */
#define SETTLED(c) (opening[c] == IDLE && (!up || !hosts[c] || lock[c] == CONFIRMED))
#define NOBODY_DAWDLES (spoke && answer == 0 && asked == NOBODY && SETTLED(A) && SETTLED(B) && (up || outage_left > 0))

proctype Time() {
  do
  :: d_step { FAULTS || NOBODY_DAWDLES ->
       Age(A); Age(B);
       older(after_return); older(outage_left); older(asked_lease);
       answer = (answer > 1 -> answer - 1 : answer);
       spoke = 0;
       if
       :: lease > 0 -> lease = lease - 1
       :: lease == 0 && !lost ->
          promise(9, FAULTS);
          lost = 1;
          if
          :: asked != NOBODY -> GiveUpAsking()
          :: else -> EndStream()
          fi;
          Tidy(A); Tidy(B)
       :: else
       fi
     }
  od
}

init {
  d_step { hosts[A] = 1; lock[A] = CONFIRMED; trust[A] = WINDOW; wait[A] = WAIT; heard[A] = 1 };
  atomic {
    run Coordinator(A); run Coordinator(B); run Observer(A); run Pod(); run Postgres(); run Time();
#ifdef OBSERVERS
    run Observer(B)
#endif
  }
}
