package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

// tightLoop never calls anything: only SIGURG can take its CPU away.
func tightLoop(stop *bool) int {
	sum := 0
	for i := 0; !*stop && i < 1<<62; i++ {
		sum += i
	}
	return sum
}

func sumOverGoroutines(count int) int {
	numbers, results := make(chan int), make(chan int, 16)
	var workers sync.WaitGroup
	for i := 0; i < count; i++ {
		workers.Add(1)
		go func() {
			defer workers.Done()
			results <- 2 * <-numbers
		}()
	}
	go func() {
		for i := 1; i <= count; i++ {
			numbers <- i
		}
		workers.Wait()
		close(results)
	}()
	total := 0
	for result := range results {
		total += result
	}
	return total
}

func preempted() bool {
	previous := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(previous)
	stop := false
	done := make(chan bool)
	go func() {
		tightLoop(&stop)
		done <- true
	}()
	runtime.Gosched()
	time.Sleep(20 * time.Millisecond)
	stop = true
	<-done
	return true
}

func ticks() int {
	ticker := time.NewTicker(2 * time.Millisecond)
	defer ticker.Stop()
	count := 0
	for deadline := time.After(2 * time.Second); count < 10; {
		select {
		case <-ticker.C:
			count++
		case <-deadline:
			return count
		}
	}
	return count
}

func caught() (message any) {
	defer func() { message = recover() }()
	var nothing *struct{ field int }
	return nothing.field
}

func main() {
	fmt.Println("hello from go", len(os.Args)-1)
	fmt.Println("10000 goroutines:", sumOverGoroutines(10000))
	fmt.Println("ticks:", ticks())
	fmt.Println("preempted:", preempted())
	fmt.Println("caught:", caught())
	garbage := 0
	for i := 0; i < 200; i++ {
		garbage += len(make([]byte, 1<<20))
	}
	runtime.GC()
	fmt.Println("allocated:", garbage>>20, "MiB")
}
