use std::collections::HashMap;
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex, RwLock};
use std::thread;
use std::time::{Duration, Instant};

fn channels() -> u64 {
    let (sender, receiver) = mpsc::channel();
    for worker in 0..8u64 {
        let sender = sender.clone();
        thread::spawn(move || {
            for number in 0..1000 {
                sender.send(worker * number).unwrap();
            }
        });
    }
    drop(sender);
    receiver.iter().sum()
}

fn locks() -> (u64, usize) {
    let total = Arc::new(Mutex::new(0u64));
    let map = Arc::new(RwLock::new(HashMap::new()));
    let barrier = Arc::new(Barrier::new(4));
    let workers: Vec<_> = (0..4)
        .map(|worker| {
            let (total, map, barrier) = (total.clone(), map.clone(), barrier.clone());
            thread::spawn(move || {
                barrier.wait();
                for number in 0..1000u64 {
                    *total.lock().unwrap() += number;
                }
                map.write().unwrap().insert(worker, thread::current().id());
            })
        })
        .collect();
    for worker in workers {
        worker.join().unwrap();
    }
    let sum = *total.lock().unwrap();
    let count = map.read().unwrap().len();
    (sum, count)
}

fn waiting() -> bool {
    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let other = pair.clone();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(5));
        *other.0.lock().unwrap() = true;
        other.1.notify_one();
    });
    let mut ready = pair.0.lock().unwrap();
    while !*ready {
        ready = pair.1.wait(ready).unwrap();
    }
    *ready
}

fn scoped() -> usize {
    let words = vec!["threads", "that", "borrow"];
    thread::scope(|scope| {
        let handles: Vec<_> = words.iter().map(|word| scope.spawn(move || word.len())).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).sum()
    })
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    println!("hello from rust {:?}", arguments);
    println!("channels: {}", channels());
    println!("locks: {:?}", locks());
    println!("waiting: {}", waiting());
    println!("scoped: {}", scoped());
    let started = Instant::now();
    thread::sleep(Duration::from_millis(10));
    println!("slept: {}", started.elapsed() >= Duration::from_millis(10));
    let caught = thread::spawn(|| {
        let empty: Vec<u32> = Vec::new();
        empty[arguments_len()]
    })
    .join();
    println!("a thread panicked: {}", caught.is_err());
    if arguments.first().map(String::as_str) == Some("panic") {
        inner(&arguments);
    }
}

#[inline(never)]
fn arguments_len() -> usize {
    std::env::args().count() + 7
}

#[inline(never)]
fn inner(arguments: &[String]) {
    panic!("on purpose with {} argument", arguments.len());
}
