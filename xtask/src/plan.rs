//! What a run of the stories plays, what that needs, and what it leaves out: the stories' own program says.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use reseat_vm::artifacts::Part;
use serde_json::Value;

use crate::run::{build, built, cargo, output};

/// What no program of the workspace needs yet, and other users of the library do.
pub(crate) const CORE_FEATURES: &str = "reseat-core/snapshot";

/// The need of the tree that is shipped.
pub(crate) const SHIPPED: &str = "the small reseat-claim";

/// How much of the tests a run has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// What is to be fast: all tests without a machine, and a story for each area.
    Quick,
    /// All but the campaigns.
    All,
    /// The campaigns.
    Campaign,
    /// What a filter names.
    Named,
}

impl Extent {
    /// What tells the stories so; with a filter they are not told.
    pub(crate) fn variable(self) -> Option<(&'static str, &'static str)> {
        let name = match self {
            Self::Quick => "quick",
            Self::All => "all",
            Self::Campaign => "campaign",
            Self::Named => return None,
        };
        Some(("RESEAT_EXTENT", name))
    }
}

/// The programme of the stories.
pub(crate) struct Plan(Vec<Planned>);

struct Planned {
    played: bool,
    campaign: bool,
    needs: Vec<String>,
}

impl Plan {
    pub(crate) fn of(extent: Extent, filter: Option<&str>) -> Result<Self> {
        let mut command = cargo(&["test", "--no-run", "--workspace", "--features", CORE_FEATURES]);
        let programs = build(command.args(["--test", "stories"]))?;
        let mut stories = std::process::Command::new(built(&programs, "stories")?);
        stories.env("RESEAT_PLAN", "1").envs(extent.variable()).args(filter);
        Self::parse(&output(&mut stories)?)
    }

    fn parse(printed: &str) -> Result<Self> {
        let planned = printed.lines().map(Planned::parse);
        Ok(Self(planned.collect::<Result<_>>()?))
    }

    fn played(&self) -> impl Iterator<Item = &Planned> {
        self.0.iter().filter(|planned| planned.played)
    }

    /// Returns true if a story that is played needs this.
    pub(crate) fn needs(&self, name: &str) -> bool {
        self.played()
            .any(|planned| planned.needs.iter().any(|need| need == name))
    }

    /// The parts of the bed that are needed, the default kernel among them.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let is_needed = |part: &Part| *part == Part::ALL[0] || self.needs(part.name());
        Part::ALL.into_iter().filter(is_needed).collect()
    }

    /// A line for each kind of story that is not played.
    pub(crate) fn left_out(&self) -> Vec<String> {
        let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
        for planned in self.0.iter().filter(|planned| !planned.played) {
            *kinds.entry(planned.kind()).or_default() += 1;
        }
        kinds.into_iter().map(as_text).collect()
    }
}

/// Some stories of one kind.
fn as_text((kind, count): (String, usize)) -> String {
    let stories = if count == 1 { "story" } else { "stories" };
    format!("{count:>3} {stories} {kind}")
}

impl Planned {
    fn parse(line: &str) -> Result<Self> {
        let planned: Value = serde_json::from_str(line).with_context(|| format!("this is no plan: {line}"))?;
        let needs = planned["needs"].as_array().context("a plan without needs")?;
        let flag = |name: &str| {
            planned[name]
                .as_bool()
                .with_context(|| format!("a plan without `{name}`: {line}"))
        };
        Ok(Self {
            played: flag("played")?,
            campaign: flag("campaign")?,
            needs: needs.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        })
    }

    fn kind(&self) -> String {
        if self.campaign {
            return "of the campaigns".to_owned();
        }
        match self.needs.as_slice() {
            [] => "on the default kernel".to_owned(),
            needs => format!("with {}", needs.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_played_is_counted_by_kind() {
        let plan = Plan::parse(
            r#"{"story":"a::b","played":true,"campaign":false,"needs":[]}
               {"story":"a::c","played":false,"campaign":false,"needs":[]}
               {"story":"d::e","played":false,"campaign":false,"needs":["kernel 6.12","UEFI"]}
               {"story":"d::f","played":false,"campaign":false,"needs":["kernel 6.12","UEFI"]}
               {"story":"g::h","played":false,"campaign":true,"needs":["kernel 6.12"]}"#,
        )
        .unwrap();
        assert_eq!(
            plan.left_out(),
            [
                "  1 story of the campaigns",
                "  1 story on the default kernel",
                "  2 stories with kernel 6.12, UEFI"
            ]
        );
        assert_eq!(plan.parts(), [Part::ALL[0]]);
    }

    #[test]
    fn parts_are_those_of_the_stories_that_are_played() {
        let plan =
            Plan::parse(r#"{"story":"a::b","played":true,"campaign":false,"needs":["kernel 6.12","dracut"]}"#).unwrap();
        let names: Vec<_> = plan.parts().into_iter().map(Part::name).collect();
        assert_eq!(names, ["kernel 6.1", "kernel 6.12", "dracut"]);
        assert!(!plan.needs(SHIPPED));
    }
}
