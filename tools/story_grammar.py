# SPDX-License-Identifier: Apache-2.0
"""A small grammar of children's stories: the text that the bundled model is trained on.

A story is an opening, one plot and a closing. Every line of a block is one place in the story; a
line that starts with "| " is another way to fill the place above it. A word in braces is a slot
that keeps its value for the whole story, so names, pronouns and things stay consistent.
"""

# Each name has an initial of its own: a small model then learns that the friend is not the hero.
PEOPLE = {
    "she": "Mia Anna Lily Tilda Emma Nora Vera Ruth Clara Ida".split(),
    "he": "Dan Ben Gus Sam Karl Jack Finn Otto Paul Hugo".split(),
}
ANIMALS = {"she": ["rabbit", "mouse", "cat", "duck", "squirrel"],
           "he": ["fox", "bear", "frog", "dog", "hedgehog"]}
PRONOUNS = {"she": ("she", "her", "her", "girl"), "he": ("he", "him", "his", "boy")}

SLOTS = {
    "color": "red blue green yellow white golden".split(),
    "mood": "kind brave curious cheerful quiet clever".split(),
    "size": "little small young".split(),
    "place": ["a village by the sea", "a small house near the forest", "a town on a hill",
              "a farm beside a river", "a valley full of flowers", "a house with a blue door"],
    "when": ["One morning", "One day", "One sunny afternoon", "One day in spring",
             "Early one morning", "On a warm summer day"],
    "elder": ["grandmother", "grandfather", "mother", "father"],
    "toy": ["ball", "drum", "toy train", "wooden horse", "music box", "picture book"],
    "corner": ["under the bed", "behind the big chair", "under the old table",
               "inside the basket", "behind the garden gate"],
    "pet": ["cat", "puppy", "kitten", "old dog"],
    "plant": ["sunflower", "apple tree", "rose", "pumpkin", "cherry tree"],
    "wood": ["an old box", "a piece of wood", "some thin boards", "a broken door"],
    "hurt": ["bird", "kitten", "owl", "duckling", "lamb"],
    "food": ["bread", "milk", "berries", "warm soup"],
    "cake": ["apple cake", "honey cake", "cherry pie", "chocolate cake", "plum pie"],
    "guide": ["owl", "deer", "turtle", "sparrow"],
    "skill": ["swim", "ride a bicycle", "skate on the ice", "play the flute", "climb a rope"],
    "high": ["a tall tree", "an old oak tree", "a cherry tree"],
    "helpful": ["a long ladder", "a long stick", "a strong rope"],
}

OPENING = """
Once upon a time, there was a {size} {kind} named {hero}, who lived in {place}.
| Once upon a time, a {size} {kind} named {hero} lived in {place}.
| There once was a {mood} {kind} named {hero}, who lived in {place}.
| Long ago, a {mood} {kind} named {hero} lived in {place}.
{He} had a good friend named {friend}.
| {He} lived with {his} {elder} and had a friend named {friend}.
| Everyone liked {him}, and {his} best friend was named {friend}.
"""

CLOSING = """
That night, {hero} slept well and dreamed of the next day.
| From that day on, {hero} and {friend} were the best of friends.
| {hero} smiled, because it had been a very good day.
| And they all lived happily ever after.
| {hero} never forgot that day.
| Then everyone went home, and the moon rose over the quiet hills.
"""

PLOTS = {
    "kite": """
{when}, {hero} and {friend} took a {color} kite to the top of the hill.
| {when}, {hero} made a {color} kite out of paper and string and showed it to {friend}.
The wind was strong, and the kite flew higher and higher.
| The wind blew hard, and the kite danced in the sky.
Then the string broke, and the kite was stuck in {high}.
| Suddenly the string slipped out of {his} hand, and the kite landed in {high}.
"Oh no!" said {hero}. "How can we get it back?"
| {hero} was sad, because {he} could not reach it.
{He} jumped as high as {he} could, but it was not high enough.
| {He} threw a stick at it, but the kite did not move.
"I have an idea," said {friend}. "My {elder} has {helpful}."
| Then {friend} had an idea and ran home to get {helpful}.
With {helpful}, they got the kite down. It was not even torn.
| They worked together, and soon the kite was free again.
"Thank you," said {hero}. "I could not have done it without you."
| {hero} was so happy that {he} gave {friend} a big hug.
They flew the {color} kite until the sun went down.
| Then they tied a stronger string to the kite and let it fly again.
""",
    "lost": """
{hero} had a {color} {toy} and loved it more than anything else.
| The thing that {hero} loved most was a {color} {toy}.
{when}, {he} wanted to play with it, but the {toy} was gone.
| {when}, {he} woke up and could not find the {toy}.
{He} looked in the kitchen, and {he} looked in the garden, but it was not there.
| {He} looked everywhere in the house, but {he} could not see it.
"Have you seen my {toy}?" {he} asked {his} {elder}.
| {He} began to cry. "Who took my {toy}?" {he} asked.
"No," said {his} {elder}, "but I will help you to look for it."
| "Do not cry," said {his} {elder}. "We will find it together."
Then {friend} came to the door, and all three of them looked for the {toy}.
| They called {friend}, because {friend} was good at finding things.
At last they heard a small sound {corner}.
| After a while, {friend} looked {corner}. "Come and see!" said {friend}.
There was the {pet}, fast asleep on top of the {toy}.
| The {pet} was sitting there, and the {toy} was between its paws.
Everyone laughed, and {hero} was happy again.
| {hero} laughed, because the {pet} only wanted to play too.
Now {he} puts the {toy} on a high shelf every night.
| After that, {he} let the {pet} play with the {toy} every day.
""",
    "seed": """
{when}, {hero} found a tiny seed on the path.
| {when}, {his} {elder} gave {hero} a tiny seed.
"What will it be?" asked {hero}. "Put it in the ground and wait," said {his} {elder}.
| "If you take care of it, it will be a surprise," said {his} {elder}.
So {hero} made a hole in the garden and put the seed into the dark, soft ground.
| So {he} planted the seed in the garden, where the sun was warm.
Every day {he} gave it water, but nothing happened.
| {He} gave it water every morning and every evening, but {he} could not see anything.
"Maybe it is asleep," said {friend}. "Let us sing to it."
| {friend} came to look at it. "You have to be patient," said {friend}.
Then it rained for three days, and the garden was wet.
| The days went by, and the sun shone on the garden.
At last a small green leaf came out of the ground.
| One morning there was a small green leaf, and {hero} jumped for joy.
It grew and grew until it was a beautiful {plant}.
| The leaf grew into a {plant}, and it was the most beautiful one in the village.
"Good things need time," said {his} {elder} with a smile.
| {hero} was very proud, because {he} had waited so long.
""",
    "boat": """
{when}, {hero} and {friend} wanted to cross the river.
| {when}, {hero} said to {friend}, "Let us build a boat."
They had no boat, so they made one out of {wood}.
| They found {wood} and worked on it all day.
They painted it {color} and put a small flag on top.
| They gave it a {color} sail and a good name.
But in the middle of the river, water came into the boat.
| But there was a hole in the boat, and it began to sink.
"Help!" cried {friend}, because {friend} could not swim.
| {hero} was afraid, but {he} did not give up.
A big fish heard them and pushed the boat to the shore.
| A duck heard them and called all her friends, and together they pulled the boat to the shore.
They were wet and cold, but they were safe.
| When they were on dry land again, they thanked their new friends.
Then {his} {elder} showed them how to close the hole.
| The next day they closed the hole with wax, and the boat did not sink again.
After that, the {color} boat took them over the river every day.
| Now they always look for holes before they go on the water.
""",
    "hurt": """
{when}, {hero} heard a soft cry in the tall grass.
| {when}, {hero} and {friend} walked along the river and heard a soft cry.
It was a small {hurt} with a hurt leg.
| There was a small {hurt}, and it could not walk.
"Do not be afraid," said {hero}. "I will help you."
| {hero} picked it up very carefully and carried it home.
{He} made a bed out of an old scarf and gave it some {food}.
| {His} {elder} put a bandage around its leg, and {hero} gave it {food}.
Every day {friend} came to see how it was.
| For two weeks {he} took care of it, and {friend} helped {him}.
The {hurt} slept a lot, and slowly it became strong again.
| Soon the {hurt} could stand up, and then it could walk a few steps.
One day it was well, and it wanted to go home.
| Then the day came when its leg was as good as new.
{hero} was sad, but {he} opened the door. "Goodbye, my friend," {he} said.
| {hero} took it back to the tall grass. "You are free," {he} said.
The {hurt} looked back one more time, and then it was gone.
| But every spring the {hurt} comes back to say hello.
""",
    "storm": """
One night there was a big storm.
| One dark night, the wind was loud and the rain fell on the roof.
The thunder was so loud that {hero} could not sleep.
| {hero} was alone in {his} room, and {he} was afraid of the thunder.
{He} hid under the blanket and held {his} {toy}.
| {He} put {his} head under the pillow, but {he} could still hear it.
Then the door opened, and {his} {elder} came in with a lamp.
| "Are you awake?" asked {his} {elder} and lit a small lamp.
"Thunder is only a noise," said {his} {elder}. "It cannot hurt you."
| "I am afraid," said {hero}. "Then I will stay with you," said {his} {elder}.
They sat by the window and counted the seconds between the lightning and the thunder.
| They drank warm milk, and {his} {elder} told {him} a story about the sea.
Soon the storm was far away, and the stars came out.
| The rain became soft and slow, and {hero} was not afraid anymore.
In the morning, the garden was full of puddles, and {hero} and {friend} jumped into all of them.
| In the morning, {he} told {friend} that {he} was not afraid of storms anymore.
""",
    "cake": """
{when}, {hero} and {his} {elder} made a big {cake}.
| {when}, {hero} wanted to make a {cake} all by {himself}.
{He} mixed the flour, the eggs and the sugar in a {color} bowl.
| First {he} put flour into a {color} bowl, and then {he} added eggs and sugar.
The whole house smelled sweet.
| Soon the kitchen was warm, and it smelled wonderful.
{He} put the {cake} on the window to cool.
| When it was done, {he} put it on the table.
Just then {friend} came by. {friend} looked tired and hungry.
| Then there was a knock on the door. It was {friend}, who had not eaten all day.
{hero} wanted to eat the {cake} alone, but then {he} thought about {his} friend.
| At first {hero} did not want to share, because the {cake} was so good.
"Please sit down," {he} said. "There is enough for both of us."
| "Come in," {he} said, and {he} cut the {cake} into two big pieces.
They ate until only a few crumbs were left, and the birds ate those.
| They sat in the sun and ate, and it tasted better than anything.
"It is good to share," said {hero}.
| {hero} learned that a cake tastes best when you share it.
""",
    "forest": """
{when}, {hero} went into the forest to look for berries.
| {when}, {hero} and {friend} played in the forest.
{He} walked and walked, and soon {he} did not know where {he} was.
| {hero} ran after a {color} butterfly, and soon {he} was all alone.
The trees were tall, and it was getting dark.
| All the trees looked the same, and the sun was going down.
"Is anyone there?" {he} called, but only the wind answered.
| {He} sat down on a stone, because {he} was tired and afraid.
Then an old {guide} came out of the shadows.
| Then {he} heard a friendly voice. It was an old {guide}.
"Why are you sad?" asked the {guide}. "I am lost," said {hero}.
| "I want to go home," said {hero}, "but I do not know the way."
"Follow the river," said the {guide}. "It always goes to the village."
| "I know every path," said the {guide}. "Come with me."
So {hero} followed, and soon {he} saw a light between the trees.
| They walked for a long time, and the moon showed them the way.
{His} {elder} was waiting at the door and was so glad to see {him}.
| At the edge of the forest stood {friend} with a lamp. "There you are!" said {friend}.
"I will never go so far alone again," said {hero}.
| {hero} thanked the {guide} and promised to be more careful.
""",
    "sorry": """
{when}, {hero} and {friend} played with a {color} {toy}.
| {friend} had a new {toy}, and {hero} wanted to have it too.
"It is my turn," said {hero}. "No, it is my turn," said {friend}.
| They both pulled at it, and both of them were angry.
They pulled so hard that the {toy} fell down and broke.
| Then the {toy} fell on the floor and broke into two pieces.
{friend} cried and ran home.
| Nobody said a word, and {friend} went home.
{hero} felt bad, because {he} had hurt {his} friend.
| All evening {hero} thought about it, and {he} could not eat.
"What can I do?" {he} asked {his} {elder}. "Say that you are sorry," said \
{his} {elder}, "and then mend it."
| {His} {elder} said, "A broken thing can be mended, and so can a friendship."
So {hero} took some glue and mended the {toy}.
| So {he} worked all night with wood and glue until the {toy} was whole again.
In the morning {he} went to {friend}. "I am sorry," {he} said.
| The next day {he} brought it to {friend} and said that {he} was sorry.
"I am sorry too," said {friend}, and they played together again.
| {friend} smiled. "Let us take turns," said {friend}, and so they did.
""",
    "try": """
{hero} wanted to learn how to {skill}.
| All the others could {skill}, but {hero} could not.
{when}, {he} tried it for the first time, but it was too hard.
| {when}, {he} tried it, and it went wrong.
Some of the others laughed, and {hero} was ashamed.
| "I will never learn it," said {hero}, and {he} wanted to give up.
But {friend} did not laugh. "You only have to try again," said {friend}.
| "Nobody can do it the first time," said {his} {elder}. "Try it again tomorrow."
So {he} tried it a second time, and it was a little better.
| The next day {he} tried again, and {friend} stayed beside {him}.
{He} practiced every day, in the sun and in the rain.
| Day after day {he} practiced, even when it was cold.
And then, one day, {he} could do it!
| At last it worked, and {he} shouted for joy.
Everyone clapped, and {his} {elder} was very proud.
| Now even the others wanted to know how {he} did it.
"If you do not give up, you can learn anything," said {hero}.
| Then {hero} showed {friend} how to {skill} too.
""",
}


def places(block):
    """The alternatives of every place of a block, in order."""
    found = []
    for line in block.strip().splitlines():
        if line.startswith("| "):
            found[-1].append(line[2:])
        else:
            found.append([line])
    return found


def cast(rng):
    """Names, pronouns and slot values of one story."""
    pronoun = rng.choice(sorted(PEOPLE))
    he, him, his, person = PRONOUNS[pronoun]
    hero, friend = rng.sample(PEOPLE[pronoun], 2)
    if rng.random() < 0.5:
        friend = rng.choice(PEOPLE["he" if pronoun == "she" else "she"])
    animal = rng.choice(ANIMALS[pronoun])
    words = {name: rng.choice(values) for name, values in sorted(SLOTS.items())}
    words.update(hero=hero, friend=friend, he=he, him=him, his=his, He=he.capitalize(),
                 His=his.capitalize(), himself=him + "self",
                 kind=rng.choice([person, person, animal]))
    return words


def story(rng):
    """One story as plain text of one to three paragraphs' length, without a final newline."""
    words = cast(rng)
    plot = PLOTS[rng.choice(sorted(PLOTS))]
    sentences = []
    for block in (OPENING, plot, CLOSING):
        for alternatives in places(block):
            sentences.append(rng.choice(alternatives).format_map(words))
    return " ".join(sentences)


def hero_sentences():
    """Every alternative that names the hero and not the friend."""
    return [sentence for block in (OPENING, CLOSING, *PLOTS.values()) for place in places(block)
            for sentence in place if "{hero}" in sentence and "{friend}" not in sentence]


def snippet(rng, count):
    """That many unconnected sentences about one hero."""
    words = cast(rng)
    return " ".join(sentence.format_map(words) for sentence in rng.sample(hero_sentences(), count))
