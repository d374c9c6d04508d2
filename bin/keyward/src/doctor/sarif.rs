//! SARIF 2.1.0, which code scanning and dashboards read.
//!
//! The names are those of the OASIS standard; the sections cited are of its 2.1.0 edition.

use serde::Serialize;

use super::check::{Check, Outcome, Severity};
use super::checklist::Checklist;

/// The checklist as one run of the tool.
pub(super) fn log(checklist: &Checklist) -> Log<'_> {
    let driver = Driver {
        name: "keyward doctor",
        version: env!("CARGO_PKG_VERSION"),
        rules: checklist.checks().iter().map(rule).collect(),
    };
    let results = (0..)
        .zip(checklist.checks())
        .map(|(index, check)| result(index, check));
    Log {
        schema: "https://json.schemastore.org/sarif-2.1.0.json",
        version: "2.1.0",
        runs: [Run {
            tool: Tool { driver },
            results: results.collect(),
        }],
    }
}

fn rule(check: &Check) -> ReportingDescriptor<'_> {
    let level = match check.severity {
        Severity::Blocking => "error",
        Severity::Warning => "warning",
    };
    ReportingDescriptor {
        id: check.id,
        short_description: Message {
            text: format!("{}.", check.title),
        },
        default_configuration: Configuration { level },
        properties: Properties {
            tags: [format!("OWASP ASVS {}", check.asvs)],
        },
    }
}

fn result(rule_index: usize, check: &Check) -> SarifResult<'_> {
    // §3.27.10: whatever is not of the kind "fail" has the level "none".
    let (kind, level) = match (check.outcome, check.severity) {
        (Outcome::Pass, _) => ("pass", "none"),
        // §3.27.9: accepted, and to be looked at again.
        (Outcome::Waived, _) => ("review", "none"),
        (Outcome::Skip, _) => ("notApplicable", "none"),
        (Outcome::Fail, Severity::Blocking) => ("fail", "error"),
        (Outcome::Fail, Severity::Warning) | (Outcome::Warn, _) => ("fail", "warning"),
    };
    let text = if check.fix.is_empty() {
        check.evidence.clone()
    } else {
        format!("{} Fix: {}", check.evidence, check.fix)
    };
    SarifResult {
        rule_id: check.id,
        rule_index,
        kind,
        level,
        message: Message { text },
    }
}

#[derive(Serialize)]
pub(super) struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

#[derive(Serialize)]
struct Run<'a> {
    tool: Tool<'a>,
    results: Vec<SarifResult<'a>>,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

#[derive(Serialize)]
struct Driver<'a> {
    name: &'static str,
    version: &'static str,
    rules: Vec<ReportingDescriptor<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReportingDescriptor<'a> {
    id: &'a str,
    short_description: Message,
    default_configuration: Configuration,
    properties: Properties,
}

#[derive(Serialize)]
struct Configuration {
    level: &'static str,
}

#[derive(Serialize)]
struct Properties {
    tags: [String; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'a> {
    rule_id: &'a str,
    rule_index: usize,
    kind: &'static str,
    level: &'static str,
    message: Message,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

#[cfg(test)]
mod tests {
    use super::super::check::Rule;
    use super::*;
    use crate::settings::Mode;

    #[test]
    fn what_passed_has_no_level_and_what_failed_has_its_severity() {
        let blocking = Rule {
            id: "area.rule",
            title: "The rule holds",
            severity: Severity::Blocking,
            asvs: "v5.0.0-1.1.1",
        };
        let warning = Rule {
            severity: Severity::Warning,
            ..blocking
        };
        let mut checklist = Checklist::new(Mode::Production);
        checklist.extend([
            blocking.pass("p"),
            blocking.skip("s"),
            blocking.warn("w", "do"),
            blocking.fail("f", "do"),
            warning.fail("f", "do"),
        ]);
        let log = log(&checklist);
        let results: Vec<_> = log.runs[0]
            .results
            .iter()
            .map(|result| (result.kind, result.level))
            .collect();
        let expected = [
            ("pass", "none"),
            ("notApplicable", "none"),
            ("fail", "warning"),
            ("fail", "error"),
            ("fail", "warning"),
        ];
        assert_eq!(results, expected);
    }

    #[test]
    fn the_log_has_the_shape_of_the_standard() {
        let rule = Rule {
            id: "area.rule",
            title: "The rule holds",
            severity: Severity::Blocking,
            asvs: "v5.0.0-1.1.1",
        };
        let mut checklist = Checklist::new(Mode::Production);
        checklist.extend([rule.fail("It is broken.", "mend it")]);
        let version = concat!("\"version\": \"", env!("CARGO_PKG_VERSION"));
        let json = serde_json::to_string_pretty(&log(&checklist)).unwrap();
        insta::assert_snapshot!(json.replace(version, r#""version": "[own]"#), @r##"
        {
          "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
          "version": "2.1.0",
          "runs": [
            {
              "tool": {
                "driver": {
                  "name": "keyward doctor",
                  "version": "[own]",
                  "rules": [
                    {
                      "id": "area.rule",
                      "shortDescription": {
                        "text": "The rule holds."
                      },
                      "defaultConfiguration": {
                        "level": "error"
                      },
                      "properties": {
                        "tags": [
                          "OWASP ASVS v5.0.0-1.1.1"
                        ]
                      }
                    }
                  ]
                }
              },
              "results": [
                {
                  "ruleId": "area.rule",
                  "ruleIndex": 0,
                  "kind": "fail",
                  "level": "error",
                  "message": {
                    "text": "It is broken. Fix: mend it"
                  }
                }
              ]
            }
          ]
        }
        "##);
    }
}
