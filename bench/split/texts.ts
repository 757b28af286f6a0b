// What clients of the privacy bench would rather keep to themselves: prose that the bundled model
// was not trained on. Nobody is meant.

export const privateLines: readonly string[] = [
  'My doctor says the lump is benign, but I have to come back for another scan in six weeks.',
  'Please move the money from the old account to the new one before my brother notices.',
  'We are going to lay off forty people in the spring, so do not tell anyone on the second floor.',
  'The key to the back door is under the third flower pot on the left side of the shed.',
  'I have been sober for eleven months now and I still dream about it nearly every night.',
  'Her salary is a third lower than what he gets for the same work, and she does not know it.',
  'The password for the router is the name of our first cat followed by the year we moved here.',
  'Since the accident he cannot feel two of his fingers, which he keeps from the insurance company.',
  'If the offer stays below nine million we walk away, but they must not see that we need the cash.',
  'I voted for the other party this time and my parents would never speak to me again.',
  'The test came back positive yesterday evening and I have not found the courage to call my wife.',
  'Our lawyer thinks that the contract is void because the second page was never signed.',
  'He meets the man from the embassy on Thursdays at the bench behind the old swimming pool.',
  'My daughter stopped eating at school in March and weighs less than her little sister now.',
  'The recipe needs twice as much cardamom as the label says, and that is the whole secret.',
  'I wrote the review of my own book under the name of a neighbour who died last winter.',
];
