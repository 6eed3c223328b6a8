//! Stories that share a machine: it is booted once, and healed after each of them.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

/// Something to be played on an `M`: a running machine, or the stage for a story that boots its own.
#[derive(Debug)]
pub struct Story<M> {
    /// Its name, by which it is listed, filtered and reported.
    pub name: &'static str,
    /// The least extent of a run that it belongs to.
    pub extent: Extent,
    /// Plays it.
    pub play: fn(&M) -> Result<()>,
}

/// How much of all stories a run plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// One story or more of each area, on one kernel.
    Quick,
    /// All but the campaigns.
    All,
    /// The campaigns.
    Campaign,
}

impl Extent {
    /// Returns true if a run of this extent plays a story of that one. A campaign repeats no other story.
    #[must_use]
    pub fn plays(self, story: Self) -> bool {
        match self {
            Self::Quick | Self::All => story <= self,
            Self::Campaign => story == self,
        }
    }
}

/// A machine that several stories share.
#[derive(Debug)]
pub struct Shared<S, M> {
    /// Boots it.
    pub boot: fn(&S) -> Result<M>,
    /// Makes it again what it was after the boot.
    pub heal: fn(&M) -> Result<()>,
}

/// A story that was played.
#[derive(Debug)]
pub struct Played {
    /// Its name.
    pub name: &'static str,
    /// How long it took, without the boot and with the healing.
    pub took: Duration,
    /// How long the boot took that came before it, if one did.
    pub booted: Option<Duration>,
    /// How it ended.
    pub outcome: Result<()>,
}

impl<S, M> Shared<S, M> {
    /// Plays the stories one after the other, on one machine as long as none fails; whatever a story that fails has left
    /// behind, the next one gets a machine of its own. `told` hears of each when it has ended.
    pub fn play(&self, stage: &S, stories: &[&Story<M>], mut told: impl FnMut(&Played)) -> Vec<Played> {
        let mut machine = None;
        let mut played = Vec::new();
        for (index, story) in stories.iter().enumerate() {
            let is_last = index + 1 == stories.len();
            let one = self.play_one(stage, story, &mut machine, is_last);
            told(&one);
            if one.outcome.is_err() {
                machine = None;
            }
            played.push(one);
        }
        played
    }

    fn play_one(&self, stage: &S, story: &Story<M>, machine: &mut Option<M>, is_last: bool) -> Played {
        let begin = Instant::now();
        let booted = match machine {
            Some(_) => Ok(None),
            None => guarded(|| (self.boot)(stage)).map(|new| {
                *machine = Some(new);
                Some(begin.elapsed())
            }),
        };
        let begin = Instant::now();
        let (booted, outcome) = match (booted, machine.as_ref()) {
            (Ok(booted), Some(machine)) => (booted, self.play_on(machine, story, is_last)),
            (Err(cause), _) => (None, Err(cause.context("the boot before it"))),
            (Ok(_), None) => (None, Err(anyhow!("there is no machine"))),
        };
        Played {
            name: story.name,
            took: begin.elapsed(),
            booted,
            outcome,
        }
    }

    fn play_on(&self, machine: &M, story: &Story<M>, is_last: bool) -> Result<()> {
        guarded(|| (story.play)(machine))?;
        if is_last {
            return Ok(());
        }
        guarded(|| (self.heal)(machine)).context("it passed, and the machine could not be healed after it")
    }
}

/// Takes a panic for an error: the stories that come next are played all the same.
fn guarded<T>(play: impl FnOnce() -> Result<T>) -> Result<T> {
    panic::catch_unwind(AssertUnwindSafe(play))
        .unwrap_or_else(|payload| Err(anyhow!("it panicked: {}", text_of(&*payload))))
}

fn text_of(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use anyhow::{bail, ensure};

    use super::*;

    /// Counts its machines.
    #[derive(Default)]
    struct Yard {
        boots: Cell<u32>,
    }

    /// Notes what was done to it.
    struct Toy {
        number: u32,
        notes: RefCell<Vec<&'static str>>,
    }

    const SHARED: Shared<Yard, Toy> = Shared {
        boot: |yard| {
            yard.boots.set(yard.boots.get() + 1);
            Ok(Toy {
                number: yard.boots.get(),
                notes: RefCell::default(),
            })
        },
        heal: |toy| {
            ensure!(!toy.notes.borrow().contains(&"ruin"), "ruined");
            toy.notes.borrow_mut().push("heal");
            Ok(())
        },
    };

    const fn story(name: &'static str, play: fn(&Toy) -> Result<()>) -> Story<Toy> {
        let extent = Extent::Quick;
        Story { name, extent, play }
    }

    fn note(toy: &Toy, word: &'static str) -> Result<()> {
        toy.notes.borrow_mut().push(word);
        Ok(())
    }

    fn outcomes(
        shared: &Shared<Yard, Toy>,
        yard: &Yard,
        stories: &[Story<Toy>],
    ) -> Vec<(&'static str, Option<String>)> {
        let stories: Vec<_> = stories.iter().collect();
        let mut names = Vec::new();
        let played = shared.play(yard, &stories, |played| names.push(played.name));
        assert_eq!(names, stories.iter().map(|story| story.name).collect::<Vec<_>>());
        let outcome = |played: Played| (played.name, played.outcome.err().map(|error| format!("{error:#}")));
        played.into_iter().map(outcome).collect()
    }

    #[test]
    fn stories_that_pass_share_a_boot_and_are_healed_after() {
        let yard = Yard::default();
        let last = story("last", |toy| {
            ensure!(toy.number == 1 && *toy.notes.borrow() == ["one", "heal"]);
            Ok(())
        });
        let ends = outcomes(&SHARED, &yard, &[story("one", |toy| note(toy, "one")), last]);
        assert_eq!(ends, [("one", None), ("last", None)]);
        assert_eq!(yard.boots.get(), 1);
    }

    #[test]
    fn one_that_fails_or_panics_is_named_and_hides_no_other() {
        let yard = Yard::default();
        let ends = outcomes(
            &SHARED,
            &yard,
            &[
                story("fails", |_| bail!("no such thing")),
                story("panics", |toy| match toy.number {
                    2 => panic!("at the disco"),
                    number => bail!("machine {number}"),
                }),
                story("passes", |toy| {
                    ensure!(toy.number == 3 && toy.notes.borrow().is_empty());
                    Ok(())
                }),
            ],
        );
        let [(_, failed), (_, panicked), (_, passed)] = ends.as_slice() else {
            panic!("{ends:?}");
        };
        assert_eq!(failed.as_deref(), Some("no such thing"));
        assert_eq!(panicked.as_deref(), Some("it panicked: at the disco"));
        assert_eq!(*passed, None);
    }

    #[test]
    fn what_cannot_be_healed_counts_against_the_story_before() {
        let yard = Yard::default();
        let next = story("next", |toy| {
            ensure!(toy.number == 2);
            Ok(())
        });
        let ends = outcomes(&SHARED, &yard, &[story("ruins", |toy| note(toy, "ruin")), next]);
        assert_eq!(
            ends[0].1.as_deref(),
            Some("it passed, and the machine could not be healed after it: ruined")
        );
        assert_eq!(ends[1].1, None);
    }

    #[test]
    fn a_boot_that_fails_fails_each_story() {
        let shared = Shared {
            boot: |_| bail!("no power"),
            ..SHARED
        };
        let one = || story("one", |_| Ok(()));
        let ends = outcomes(&shared, &Yard::default(), &[one(), one()]);
        assert!(
            ends.iter()
                .all(|(_, end)| end.as_deref() == Some("the boot before it: no power")),
            "{ends:?}"
        );
    }

    #[test]
    fn a_campaign_repeats_no_other_story() {
        use Extent::{All, Campaign, Quick};
        assert!(Quick.plays(Quick) && !Quick.plays(All) && !Quick.plays(Campaign));
        assert!(All.plays(Quick) && All.plays(All) && !All.plays(Campaign));
        assert!(Campaign.plays(Campaign) && !Campaign.plays(Quick));
    }
}
