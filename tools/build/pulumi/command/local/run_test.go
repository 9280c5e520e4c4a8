package local

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"omniai.invalid/toolchain/command/lifecycle"
)

func text(value string) *string { return &value }

func TestTheCommandGetsItsInputs(t *testing.T) {
	dir := t.TempDir()
	state := State{Inputs: Inputs{Dir: &dir, Common: lifecycle.Common{
		Stdin: text("in"), Environment: map[string]string{"NAME": "value"},
	}}}
	if err := state.Run(context.Background(), `cat; echo " $NAME"; pwd; echo err >&2`); err != nil {
		t.Fatal(err)
	}
	if want := "in value\n" + dir; state.Stdout != want || state.Stderr != "err" {
		t.Errorf("stdout %q, stderr %q; want %q, %q", state.Stdout, state.Stderr, want, "err")
	}
}

func TestPreviousOutputIsInTheEnvironmentUnlessSwitchedOff(t *testing.T) {
	show := `echo "[$PULUMI_COMMAND_STDOUT]"`
	state := State{Output: lifecycle.Output{Stdout: "before"}}
	if err := state.Run(context.Background(), show); err != nil || state.Stdout != "[before]" {
		t.Errorf("got %q, %v", state.Stdout, err)
	}
	no := false
	state = State{
		Inputs: Inputs{Common: lifecycle.Common{AddPreviousOutputInEnv: &no}},
		Output: lifecycle.Output{Stdout: "before"},
	}
	if err := state.Run(context.Background(), show); err != nil || state.Stdout != "[]" {
		t.Errorf("got %q, %v", state.Stdout, err)
	}
}

func TestAFailureShowsNothingThatMustNotBeLogged(t *testing.T) {
	none := lifecycle.None
	state := State{Inputs: Inputs{Common: lifecycle.Common{Logging: &none, Stdin: text("hunter2")}}}
	err := state.Run(context.Background(), "cat; echo swordfish >&2; exit 3")
	if err == nil || !strings.Contains(err.Error(), "exit status 3") {
		t.Fatalf("got %v; want one with the exit status", err)
	}
	for _, secret := range []string{"hunter2", "swordfish"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("%q shows %s", err, secret)
		}
	}
	onlyErr := lifecycle.Stderr
	state = State{Inputs: Inputs{Common: lifecycle.Common{Logging: &onlyErr, Stdin: text("hunter2")}}}
	err = state.Run(context.Background(), "cat; echo why >&2; exit 3")
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "why") {
		t.Errorf("got %v; want standard error and not standard output", err)
	}
}

func TestCancellingStopsTheWholeTree(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	state := State{Inputs: Inputs{Common: lifecycle.Common{Environment: map[string]string{"FILE": file}}}}
	done := make(chan error, 1)
	go func() {
		// One that does as it is told, and a grandchild that does not.
		done <- state.Run(ctx, `sleep 60 & echo $! >>$FILE
			sh -c 'trap "" TERM; echo $$ >>$FILE; while :; do sleep 0.1; done' & wait`)
	}()
	var pids []string
	for deadline := time.Now().Add(5 * time.Second); len(pids) < 2 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond)
		data, _ := os.ReadFile(file)
		pids = strings.Fields(string(data))
	}
	time.Sleep(200 * time.Millisecond) // the trap is set by now
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("a cancelled command ended well")
		}
	case <-time.After(cancelGrace + 5*time.Second):
		t.Fatal("it did not end")
	}
	for _, pid := range pids {
		number, _ := strconv.Atoi(pid)
		if anyAlive([]int{number}) {
			t.Errorf("process %s of %v is still there", pid, pids)
		}
	}
	if len(pids) != 2 {
		t.Errorf("started %v; want two processes", pids)
	}
}
