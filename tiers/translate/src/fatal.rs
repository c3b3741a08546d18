//! Errors from which a code generator's library does not return. The tier reports one and parks its thread
//! for good; the code that gave the thread its work has said here how to go on then.

use std::cell::RefCell;

type Handler = Box<dyn FnOnce(String)>;

thread_local! {
    static HANDLER: RefCell<Option<Handler>> = const { RefCell::new(None) };
}

/// Runs `work`, during which a fatal error of a code generator on this thread calls `on_fatal` with its
/// message. The thread then never returns from `work`.
pub fn with_fatal_handler<T>(
    on_fatal: impl FnOnce(String) + 'static,
    work: impl FnOnce() -> T,
) -> T {
    /// Takes the handler back, also when `work` panics.
    struct Reset(Option<Handler>);
    impl Drop for Reset {
        fn drop(&mut self) {
            HANDLER.replace(self.0.take());
        }
    }
    let _reset = Reset(HANDLER.replace(Some(Box::new(on_fatal))));
    work()
}

/// Tells waiters for this thread's work that it will not come. For tiers.
pub fn report_fatal(message: String) {
    if let Some(handler) = HANDLER.take() {
        handler(message);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn reports_once_and_to_the_innermost() {
        let heard = Rc::new(Cell::new(0));
        let hear = |add| {
            let heard = Rc::clone(&heard);
            move |_: String| heard.set(heard.get() + add)
        };
        with_fatal_handler(hear(1), || {
            with_fatal_handler(hear(10), || {
                report_fatal("one".to_owned());
                report_fatal("again".to_owned());
            });
            report_fatal("two".to_owned());
        });
        report_fatal("nobody listens".to_owned());
        assert_eq!(heard.get(), 11);
    }
}
