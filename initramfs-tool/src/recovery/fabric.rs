//! The GPUs that a fabric joins to one, judged by what the machine shows and by what an operator states.

use reseat_core::address::FunctionAddress;
use reseat_core::topology::{Connector, Place, Topology};

use crate::model::finding::{Finding, Id, Subject, id};
use crate::model::identification::Identification;
use crate::model::subject::Member;
use crate::rules::{FabricStatement, Selector};

/// What is known about the fabrics of a machine beside its functions.
pub(crate) struct FabricFacts<'a> {
    /// The sign by which this machine is a guest, if it is one: a guest does not see all boards.
    pub(crate) hypervisor: Option<&'a str>,
    /// Every function was listed and could be read.
    pub(crate) is_complete: bool,
    /// The GPUs in baselines that the kernel does not list.
    pub(crate) unlisted: &'a [Member],
    /// The operator's statements.
    pub(crate) statements: &'a [FabricStatement],
    /// The GPU in question.
    pub(crate) gpu: &'a Identification,
    /// All GPUs that the kernel lists.
    pub(crate) gpus: &'a [Identification],
}

/// The judgement about the fabric of one GPU.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct JudgedFabric {
    /// The members of its fabric, itself included: nothing else is joined to it. None where its model decides.
    pub(crate) members: Option<Vec<FunctionAddress>>,
    /// The operator's statement that decided.
    pub(crate) statement: Option<String>,
    /// The reasons for the judgement.
    pub(crate) findings: Vec<Finding>,
}

impl JudgedFabric {
    fn unknown(gpu: Place<'_>, id: Id, fact: Option<(&'static str, String)>) -> Self {
        let function = gpu.function();
        let mut finding = Finding::warning(id, Subject::function(function.address))
            .with("model", function.identity)
            .with("select", format!("{}@{}", function.address, function.identity));
        if let Some((name, value)) = fact {
            finding = finding.with(name, value);
        }
        Self {
            findings: vec![finding.remedy(id::STATE_FABRIC)],
            ..Self::default()
        }
    }

    fn of(gpu: Place<'_>, others: impl IntoIterator<Item = FunctionAddress>) -> Self {
        let mut members: Vec<FunctionAddress> = others.into_iter().chain([gpu.address()]).collect();
        members.sort();
        members.dedup();
        Self {
            members: Some(members),
            ..Self::default()
        }
    }
}

/// Judges the fabric of the GPU whose main function is at `gpu`. An operator's statement comes first; without one, only the
/// absence of other boards in a machine that shows all of them proves something, and only for boards that take a bridge.
pub(crate) fn judge(gpu: Place<'_>, topology: Topology<'_>, facts: &FabricFacts<'_>) -> JudgedFabric {
    if let Some(statement) = facts.statements.iter().find(|stated| stated.gpu.means(facts.gpu)) {
        return as_stated(gpu, topology, statement, facts);
    }
    match gpu.connector() {
        Connector::None => JudgedFabric::default(),
        Connector::Board => JudgedFabric::unknown(gpu, id::FABRIC_OF_MODULE, None),
        Connector::Bridge => of_bridge(gpu, facts),
    }
}

fn as_stated(
    gpu: Place<'_>,
    topology: Topology<'_>,
    statement: &FabricStatement,
    facts: &FabricFacts<'_>,
) -> JudgedFabric {
    let mut peers = Vec::new();
    for peer in &statement.peers {
        match main_function(topology, facts, peer) {
            Some(function) => peers.push(function),
            None => {
                let selector = Some(("selector", peer.to_string()));
                return JudgedFabric::unknown(gpu, id::FABRIC_PEER_NOT_FOUND, selector);
            }
        }
    }
    let stated = Finding::note(id::FABRIC_STATED, Subject::function(gpu.address()));
    JudgedFabric {
        statement: Some(statement.to_string()),
        findings: vec![stated.with("statement", statement)],
        ..JudgedFabric::of(gpu, peers)
    }
}

/// The function of a GPU that is on its fabric.
fn main_function(topology: Topology<'_>, facts: &FabricFacts<'_>, selector: &Selector) -> Option<FunctionAddress> {
    let mut meant = facts.gpus.iter().filter(|gpu| selector.means(gpu));
    let (gpu, None) = (meant.next()?, meant.next()) else {
        return None;
    };
    let places = gpu
        .functions
        .iter()
        .filter_map(|function| topology.find(function.address));
    let mut places = places.map(Place::function);
    let main =
        places.find(|function| function.class.is_display_controller() || function.class.is_processing_accelerator())?;
    Some(main.address)
}

fn of_bridge(gpu: Place<'_>, facts: &FabricFacts<'_>) -> JudgedFabric {
    let vendor = gpu.function().identity.vendor;
    let unlisted = facts.unlisted.iter().filter(|member| {
        let is_gpu = member.class.is_display_controller() || member.class.is_processing_accelerator();
        member.identity.vendor == vendor
            && is_gpu
            && !facts.gpu.functions.iter().any(|own| own.address == member.address)
    });
    let unlisted: Vec<String> = unlisted
        .map(|member| format!("{} [{}]", member.address, member.identity))
        .collect();
    if let Some(sign) = facts.hypervisor {
        return JudgedFabric::unknown(gpu, id::FABRIC_IN_GUEST, Some(("sign", sign.to_owned())));
    }
    if !facts.is_complete {
        return JudgedFabric::unknown(gpu, id::FABRIC_UNSURVEYED, None);
    }
    if !unlisted.is_empty() {
        let peers = Some(("peers", unlisted.join(", ")));
        return JudgedFabric::unknown(gpu, id::FABRIC_PEER_UNLISTED, peers);
    }
    JudgedFabric::of(gpu, gpu.joinable().map(Place::address))
}

#[cfg(test)]
mod tests {
    use reseat_core::topology::Node;
    use reseat_core::topology::function::{Function, Role};

    use super::*;
    use crate::model::identification::FunctionIdentity;
    use crate::rules::parse_contract;

    const A5000: &str = "10de:2231";
    const H100_SXM: &str = "10de:2330";

    fn function(address: &str, identity: &str) -> Function {
        let mut function = Function::new(
            address.parse().unwrap(),
            identity.parse().unwrap(),
            "030200".parse().unwrap(),
        );
        function.role = Role::Endpoint;
        function
    }

    fn identification(function: &Function, serial: Option<&str>) -> Identification {
        Identification {
            device: function.address.device_address(),
            functions: vec![FunctionIdentity {
                address: function.address,
                identity: function.identity,
            }],
            slot: None,
            serial: serial.map(str::to_owned),
        }
    }

    struct Case {
        gpus: Vec<(&'static str, &'static str)>,
        hypervisor: Option<&'static str>,
        is_complete: bool,
        unlisted: Vec<Member>,
        statements: &'static str,
    }

    impl Case {
        fn of(gpus: &[(&'static str, &'static str)]) -> Self {
            Self {
                gpus: gpus.to_vec(),
                hypervisor: None,
                is_complete: true,
                unlisted: Vec::new(),
                statements: "",
            }
        }

        /// The judgement about the first GPU.
        fn judge(&self) -> JudgedFabric {
            let functions: Vec<Function> = self.gpus.iter().map(|(at, model)| function(at, model)).collect();
            let gpus: Vec<Identification> = functions
                .iter()
                .map(|function| {
                    identification(
                        function,
                        Some(&format!("48-b0-2d-00-00-00-00-{:02x}", function.address.bus())),
                    )
                })
                .collect();
            let mut room = vec![Node::EMPTY; functions.len()];
            let topology = Topology::new(&functions, &mut room).unwrap();
            let statements = parse_contract("r.toml", self.statements.as_bytes()).unwrap().fabrics;
            let facts = FabricFacts {
                hypervisor: self.hypervisor,
                is_complete: self.is_complete,
                unlisted: &self.unlisted,
                statements: &statements,
                gpu: &gpus[0],
                gpus: &gpus,
            };
            judge(topology.find(functions[0].address).unwrap(), topology, &facts)
        }

        fn members(&self) -> Option<Vec<String>> {
            let members = self.judge().members?;
            Some(members.iter().map(ToString::to_string).collect())
        }

        fn reason(&self) -> Id {
            let judged = self.judge();
            assert_eq!(judged.members, None);
            assert_eq!(judged.findings.len(), 1);
            assert_eq!(judged.findings[0].remedy, Some(id::STATE_FABRIC));
            judged.findings[0].id.clone()
        }
    }

    #[test]
    fn a_board_alone_in_a_machine_that_shows_all_is_joined_to_nothing() {
        let alone = Case::of(&[
            ("0000:65:00.0", A5000),
            ("0000:66:00.0", "10de:27b8"),
            ("0000:67:00.0", H100_SXM),
        ]);
        assert_eq!(alone.members(), Some(vec!["0000:65:00.0".to_owned()]));
        assert_eq!(alone.judge().findings, []);
    }

    #[test]
    fn a_second_board_that_could_be_joined_is_a_peer() {
        let pair = Case::of(&[("0000:65:00.0", A5000), ("0000:66:00.0", A5000)]);
        let both = vec!["0000:65:00.0".to_owned(), "0000:66:00.0".to_owned()];
        assert_eq!(pair.members(), Some(both));
    }

    #[test]
    fn absence_proves_nothing_in_a_guest_nor_where_the_survey_is_not_complete() {
        let alone = || Case::of(&[("0000:65:00.0", A5000)]);
        let hypervisor = Some("hypervisor");
        assert_eq!(Case { hypervisor, ..alone() }.reason(), id::FABRIC_IN_GUEST);
        let is_complete = false;
        assert_eq!(Case { is_complete, ..alone() }.reason(), id::FABRIC_UNSURVEYED);
        let unlisted = vec![Member {
            address: "0000:66:00.0".parse().unwrap(),
            identity: A5000.parse().unwrap(),
            class: "030000".parse().unwrap(),
        }];
        assert_eq!(Case { unlisted, ..alone() }.reason(), id::FABRIC_PEER_UNLISTED);
    }

    #[test]
    fn a_model_without_a_connector_needs_no_survey() {
        let mut l4 = Case::of(&[("0000:65:00.0", "10de:27b8"), ("0000:66:00.0", A5000)]);
        (l4.hypervisor, l4.is_complete) = (Some("hypervisor"), false);
        assert_eq!(l4.judge(), JudgedFabric::default());
    }

    #[test]
    fn a_module_is_unknown_until_the_operator_speaks() {
        let module = || Case::of(&[("0000:65:00.0", H100_SXM), ("0000:66:00.0", H100_SXM)]);
        assert_eq!(module().reason(), id::FABRIC_OF_MODULE);
        let mut stated = module();
        stated.hypervisor = Some("hypervisor");
        stated.statements = "[[recover.gpu]]\nselect = \"0000:65:00.0@10de:2330\"\nfabric = \"none\"\n";
        assert_eq!(stated.members(), Some(vec!["0000:65:00.0".to_owned()]));
        let judged = stated.judge();
        assert_eq!(judged.statement.as_deref(), Some("0000:65:00.0@10de:2330: none"));
        assert_eq!(judged.findings[0].id, id::FABRIC_STATED);
        stated.statements = "[[recover.gpu]]\nselect = \"serial=48-b0-2d-00-00-00-00-65\"\nfabric = \
                             [\"serial=48-b0-2d-00-00-00-00-66\"]\n";
        let both = vec!["0000:65:00.0".to_owned(), "0000:66:00.0".to_owned()];
        assert_eq!(stated.members(), Some(both));
    }

    #[test]
    fn a_statement_about_another_gpu_or_a_peer_that_is_not_there_permits_nothing() {
        let mut module = Case::of(&[("0000:65:00.0", H100_SXM)]);
        for (statement, reason) in [
            // Another model at that address, another address, another serial number.
            (
                "select = \"0000:65:00.0@10de:2331\"\nfabric = \"none\"\n",
                id::FABRIC_OF_MODULE,
            ),
            (
                "select = \"0000:66:00.0@10de:2330\"\nfabric = \"none\"\n",
                id::FABRIC_OF_MODULE,
            ),
            (
                "select = \"serial=48-b0-2d-00-00-00-00-01\"\nfabric = \"none\"\n",
                id::FABRIC_OF_MODULE,
            ),
            (
                "select = \"0000:65:00@10de:2330\"\nfabric = [\"0000:66:00@10de:2330\"]\n",
                id::FABRIC_PEER_NOT_FOUND,
            ),
        ] {
            module.statements = Box::leak(format!("[[recover.gpu]]\n{statement}").into_boxed_str());
            assert_eq!(module.reason(), reason, "{statement}");
        }
    }
}
