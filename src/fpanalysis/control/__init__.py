"""Controllers: networks in closed loop with a plant, and the tasks they are trained on."""
