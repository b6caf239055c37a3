"""What everything else stands on: files, folders of runs, options, hooks, progress, devices."""
