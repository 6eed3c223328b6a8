//! How the programme is played: each story is a test of its own name, and those that share a boot are played on it together.

use std::collections::BTreeMap;
use std::env;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow};
use libtest_mimic::{Arguments, Failed, Trial};
use reseat_scenarios::{Extent, Need, NoStage, Running, Shared, Stage, Story};
use serde_json::json;

/// How much is played: `quick`, `all` or `campaign`; all but the campaigns if it is not set. With a filter the first two do not
/// count: who names a story wants it.
const EXTENT: &str = "RESEAT_EXTENT";

/// Set to have the programme printed, a JSON object for each story, and nothing played.
const PLAN: &str = "RESEAT_PLAN";

/// Stories, with what they need of the stage beside the default kernel.
#[derive(Debug)]
pub(crate) struct Chapter {
    needs: &'static [Need],
    act: Act,
}

/// Where stories are played.
#[derive(Debug)]
enum Act {
    /// Each boots machines of its own.
    Alone(&'static [Story<Stage>]),
    /// All of them on one machine.
    Together(Shared<Stage, Running>, &'static [Story<Running>]),
}

/// Stories each of which boots machines of its own.
pub(crate) const fn alone(needs: &'static [Need], stories: &'static [Story<Stage>]) -> Chapter {
    let act = Act::Alone(stories);
    Chapter { needs, act }
}

/// Stories that share a machine.
pub(crate) const fn together(
    needs: &'static [Need],
    shared: Shared<Stage, Running>,
    stories: &'static [Story<Running>],
) -> Chapter {
    let act = Act::Together(shared, stories);
    Chapter { needs, act }
}

impl Chapter {
    /// The name and the extent of each of its stories.
    fn stories(&self) -> Vec<(&'static str, Extent)> {
        match &self.act {
            Act::Alone(stories) => stories.iter().map(|story| (story.name, story.extent)).collect(),
            Act::Together(_, stories) => stories.iter().map(|story| (story.name, story.extent)).collect(),
        }
    }
}

/// What is chosen of the programme.
pub(crate) struct Choice<'a> {
    arguments: &'a Arguments,
    extent: Extent,
}

impl<'a> Choice<'a> {
    pub(crate) fn new(arguments: &'a Arguments) -> Result<Self> {
        let extent = match env::var(EXTENT) {
            Err(_) => Extent::All,
            Ok(name) => match name.as_str() {
                "quick" => Extent::Quick,
                "all" => Extent::All,
                "campaign" => Extent::Campaign,
                other => return Err(anyhow!("{EXTENT} is `{other}`, and not quick, all or campaign")),
            },
        };
        Ok(Self { arguments, extent })
    }

    fn plays(&self, name: &str, extent: Extent) -> bool {
        let is_named = self.arguments.filter.is_some();
        let is_left = !self.arguments.is_filtered_out(&Trial::test(name, || Ok(())));
        let is_wanted = self.extent.plays(extent) || (is_named && self.extent != Extent::Campaign);
        is_left && is_wanted
    }
}

/// Returns true if only the programme was asked for.
pub(crate) fn is_plan_wanted() -> bool {
    env::var_os(PLAN).is_some()
}

/// The programme: for each story its name, whether it is played, and the names of what it needs.
pub(crate) fn plan(programme: &[Chapter], choice: &Choice<'_>) -> Vec<String> {
    let lines = programme.iter().flat_map(|chapter| {
        let needs: Vec<_> = chapter.needs.iter().map(|need| need.name()).collect();
        chapter.stories().into_iter().map(move |(name, extent)| {
            let is_campaign = extent == Extent::Campaign;
            let played = choice.plays(name, extent);
            json!({"story": name, "played": played, "campaign": is_campaign, "needs": needs}).to_string()
        })
    });
    lines.collect()
}

/// The tests. Of each machine that is shared one story comes first, so that two machines are always at work; it has the others
/// played as well, which then only say how they ended.
pub(crate) fn trials(
    programme: &'static [Chapter],
    choice: &Choice<'_>,
    stage: &Result<Arc<Stage>, String>,
) -> Vec<Trial> {
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for chapter in programme {
        let lacks = lacks(chapter, stage);
        let flag = |trial: Trial| trial.with_ignored_flag(lacks.is_err() && !Stage::is_required(chapter.needs));
        let ready = lacks.clone();
        match &chapter.act {
            Act::Alone(stories) => {
                let chosen = stories.iter().filter(|story| choice.plays(story.name, story.extent));
                first.extend(chosen.map(|story| flag(trial(story, ready.clone()))));
            }
            Act::Together(shared, stories) => {
                let chosen = stories.iter().filter(|story| choice.plays(story.name, story.extent));
                let chosen: Vec<_> = chosen.collect();
                let together = Arc::new(Together::new(shared, chosen.clone()));
                let mut trials = chosen
                    .iter()
                    .map(|story| flag(together.trial(story.name, ready.clone())));
                first.extend(trials.next());
                rest.extend(trials);
            }
        }
    }
    first.extend(rest);
    first
}

/// The stage, if it has what these stories need.
fn lacks(chapter: &Chapter, stage: &Result<Arc<Stage>, String>) -> Result<Arc<Stage>, String> {
    let stage = stage.clone()?;
    let checked: Result<(), NoStage> = chapter.needs.iter().try_for_each(|need| stage.check(*need));
    match checked {
        Ok(()) => Ok(stage),
        Err(why) => Err(why.to_string()),
    }
}

fn trial(story: &'static Story<Stage>, stage: Result<Arc<Stage>, String>) -> Trial {
    Trial::test(story.name, move || {
        let stage = stage?;
        (story.play)(&stage).map_err(|error| Failed::from(format!("{error:#}")))
    })
}

/// Stories on one machine, and how each of them ended.
struct Together {
    shared: &'static Shared<Stage, Running>,
    stories: Vec<&'static Story<Running>>,
    ended: Mutex<Option<BTreeMap<&'static str, Result<()>>>>,
}

impl Together {
    fn new(shared: &'static Shared<Stage, Running>, stories: Vec<&'static Story<Running>>) -> Self {
        let ended = Mutex::new(None);
        Self { shared, stories, ended }
    }

    fn trial(self: &Arc<Self>, name: &'static str, stage: Result<Arc<Stage>, String>) -> Trial {
        let together = Arc::clone(self);
        Trial::test(name, move || {
            let stage = stage?;
            let ended = together.outcome_of(name, &stage);
            ended.map_err(|error| Failed::from(format!("{error:#}")))
        })
    }

    fn outcome_of(&self, name: &'static str, stage: &Stage) -> Result<()> {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = ended.get_or_insert_with(|| self.play(stage));
        ended.remove(name).context("it was not played")?
    }

    fn play(&self, stage: &Stage) -> BTreeMap<&'static str, Result<()>> {
        let played = self.shared.play(stage, &self.stories, |played| {
            let boot = played
                .booted
                .map(|took| format!(" after a boot of {:.1} s", took.as_secs_f64()));
            let (end, why) = match &played.outcome {
                Ok(()) => ("passed", String::new()),
                Err(error) => ("FAILED", format!(": {error:#}")),
            };
            super::note(&format!(
                "{} {end} in {:.1} s{}{why}",
                played.name,
                played.took.as_secs_f64(),
                boot.unwrap_or_default()
            ));
        });
        played.into_iter().map(|played| (played.name, played.outcome)).collect()
    }
}
