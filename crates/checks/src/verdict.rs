//! Threshold counters (`docs/spec/server-operations.md` §13.1).

use types::CheckStatus;

use crate::Thresholds;

/// Decides from results in a row which status a check has. Counters start full: the first result applies at once.
#[derive(Clone, Debug)]
pub struct Verdict {
    thresholds: Thresholds,
    successes: u32,
    failures: u32,
}

impl Verdict {
    /// A verdict that has seen no result.
    pub fn new(mut thresholds: Thresholds) -> Verdict {
        if thresholds.failures_before_warning == 0 {
            thresholds.failures_before_warning = thresholds.failures_before_critical;
        }
        Verdict {
            thresholds,
            successes: thresholds.success_before_passing,
            failures: thresholds.failures_before_critical,
        }
    }

    /// The status after one more result; `None` keeps the old one. A warning counts as a success.
    pub fn judge(&mut self, result: CheckStatus) -> Option<CheckStatus> {
        if result != CheckStatus::Critical {
            self.successes = self.successes.saturating_add(1);
            self.failures = 0;
            return (self.successes >= self.thresholds.success_before_passing).then_some(result);
        }
        self.failures = self.failures.saturating_add(1);
        self.successes = 0;
        if self.failures >= self.thresholds.failures_before_critical {
            return Some(CheckStatus::Critical);
        }
        (self.failures >= self.thresholds.failures_before_warning).then_some(CheckStatus::Warning)
    }

    /// Successes since the last failure.
    pub(crate) fn successes(&self) -> u32 {
        self.successes
    }

    /// Failures since the last success.
    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    /// The thresholds, with defaults filled in.
    pub(crate) fn thresholds(&self) -> Thresholds {
        self.thresholds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `p`, `w`, `c`: a result, or the status decided; `.`: the old status is kept.
    fn judged(success: u32, warning: u32, critical: u32, results: &str) -> String {
        let mut verdict = Verdict::new(Thresholds {
            success_before_passing: success,
            failures_before_warning: warning,
            failures_before_critical: critical,
        });
        let judge = |letter| {
            let result = match letter {
                'p' => CheckStatus::Passing,
                'w' => CheckStatus::Warning,
                _ => CheckStatus::Critical,
            };
            match verdict.judge(result) {
                None => '.',
                Some(CheckStatus::Passing) => 'p',
                Some(CheckStatus::Warning) => 'w',
                Some(CheckStatus::Critical) => 'c',
            }
        };
        results.chars().map(judge).collect()
    }

    #[test]
    fn results_in_a_row_decide() {
        // (success, warning, critical), results, decisions
        let table = [
            ((0, 0, 0), "pcwcp", "pcwcp"),
            ((1, 1, 1), "pcwcp", "pcwcp"),
            // The first failure counts at once whatever the threshold.
            ((0, 0, 3), "c", "c"),
            ((0, 0, 3), "pcccp", "p..cp"),
            ((0, 1, 3), "pccc", "pwwc"),
            ((0, 2, 3), "pccccp", "p.wccp"),
            // The first success too, then only after failures in between.
            ((3, 0, 0), "pcpppp", "pc..pp"),
            ((2, 0, 0), "cpcpp", "c.c.p"),
            // A warning is a success: it resets failures and is subject to the threshold of passing.
            ((2, 0, 2), "pcwcww", "p....w"),
            ((0, 0, 2), "pcwcc", "p.w.c"),
        ];
        for ((success, warning, critical), results, decisions) in table {
            let case = format!("{success}/{warning}/{critical} {results}");
            assert_eq!(judged(success, warning, critical, results), decisions, "{case}");
        }
    }
}
