//! Runs and their steps as spans of a trace. Without the feature `otlp` there are none.

#[cfg(feature = "otlp")]
use std::sync::Arc;

use cofferdam_operator::metrics::Looks;
use cofferdam_runner::News;

#[cfg(feature = "otlp")]
mod real {
    use std::sync::{Arc, Mutex, PoisonError};
    use std::time::SystemTime;

    use cofferdam_adapters::traces::{Begun, Traces};
    use cofferdam_operator::metrics::Looks;
    use cofferdam_runner::News;

    use crate::output::mask;

    /// The spans that are open.
    #[derive(Default)]
    struct Open {
        run: Option<Begun>,
        step: Option<Begun>,
        failed: Option<String>,
    }

    /// See [`super::Spans`].
    pub(super) struct Spans {
        traces: Mutex<Option<Arc<Traces>>>,
        open: Mutex<Open>,
    }

    impl Spans {
        pub(super) fn start(service: &str) -> Result<Self, String> {
            let traces = Traces::from_environment(service)?.map(Arc::new);
            Ok(Self { traces: Mutex::new(traces), open: Mutex::default() })
        }

        fn traces(&self) -> Option<Arc<Traces>> {
            self.traces.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }

        pub(super) fn tell(&self, news: &News<'_>) {
            let Some(traces) = self.traces() else { return };
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            match news {
                News::RunBegan { run, plan, .. } => {
                    open.end(Some("it was left"));
                    let about =
                        [("cofferdam.run.id", run.to_string()), ("cofferdam.migration", plan.key.clone())];
                    open.run = Some(traces.begin("run", None, about));
                }
                News::StepBegan { step, title } => {
                    let about =
                        [("cofferdam.step", (*step).to_owned()), ("cofferdam.title", mask::text(title))];
                    let begun = traces.begin("step", open.run.as_ref(), about);
                    if let Some(before) = open.step.replace(begun) {
                        before.end(None);
                    }
                }
                News::StepEnded { .. } => {
                    if let Some(step) = open.step.take() {
                        step.end(None);
                    }
                }
                News::Failed { why, .. } => {
                    let why = mask::text(&why.to_string());
                    if let Some(step) = open.step.take() {
                        step.end(Some(&why));
                    }
                    open.failed = Some(why);
                }
                News::RunEnded(_) => open.end(None),
                _ => {}
            }
        }

        pub(super) async fn close(&self) {
            let closing = "the process ended before it";
            self.open.lock().unwrap_or_else(PoisonError::into_inner).end(Some(closing));
            let traces = self.traces.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(traces) = traces.and_then(Arc::into_inner) {
                traces.close().await;
            }
        }
    }

    impl Open {
        /// Ends all that is open.
        fn end(&mut self, otherwise: Option<&str>) {
            if let Some(step) = self.step.take() {
                step.end(otherwise);
            }
            if let Some(run) = self.run.take() {
                run.end(self.failed.take().as_deref().or(otherwise));
            }
        }
    }

    /// Tells of the operator's looks.
    pub(super) struct Looking(pub(super) Arc<Spans>);

    impl Looks for Looking {
        fn looked(&self, object: &str, began: SystemTime, failure: Option<&str>) {
            if let Some(traces) = self.0.traces() {
                traces.past("reconcile", began, [("cofferdam.object", object.to_owned())], failure);
            }
        }
    }
}

/// Where spans go, if they go anywhere.
#[derive(Default)]
pub(crate) struct Spans(#[cfg(feature = "otlp")] Option<Arc<real::Spans>>);

impl Spans {
    /// As the variables of OpenTelemetry ask for it.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn start(service: &str) -> Result<Self, String> {
        #[cfg(feature = "otlp")]
        let spans = Self(Some(Arc::new(real::Spans::start(service)?)));
        #[cfg(not(feature = "otlp"))]
        let spans = Self::default();
        let _ = service;
        Ok(spans)
    }

    /// Takes the news of a run.
    pub(crate) fn tell(&self, news: &News<'_>) {
        #[cfg(feature = "otlp")]
        if let Some(spans) = &self.0 {
            spans.tell(news);
        }
        let _ = news;
    }

    /// Who is told of the operator's looks.
    pub(crate) fn looks(&self) -> Option<Box<dyn Looks>> {
        #[cfg(feature = "otlp")]
        let looks = self.0.clone().map(|spans| Box::new(real::Looking(spans)) as Box<dyn Looks>);
        #[cfg(not(feature = "otlp"))]
        let looks = None;
        looks
    }

    /// Sends what is left, for a while.
    pub(crate) async fn close(&self) {
        #[cfg(feature = "otlp")]
        if let Some(spans) = &self.0 {
            spans.close().await;
        }
    }
}
